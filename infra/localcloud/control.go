package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
	"github.com/berthregistry/berth/infra/localcloud/queue"
)

// serveControl opens the control endpoint:
//
//	GET    /healthz       answers 200 while the cloud stands
//	GET    /actions       what each function did in the stores, and what it may
//	GET    /environments  the environments of each function
//	GET    /events        what became of the events that nobody waits for, by function
//	GET    /deadletters   what streams gave up, by queue
//	GET    /stores        where table and STS are, for who has credentials
//	POST   /principals    makes a principal of AWS: ?arn=arn:aws:sts::...
//	GET    /faults        which are set, and how often each has struck
//	PUT    /faults/NAME   sets one: ?count=3&rate=0.2&delay=2s; see fault for all there is
//	DELETE /faults/NAME   ends one
func (c *cloud) serveControl(context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /actions", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.actions()) })
	mux.HandleFunc("GET /environments", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.environments()) })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.events()) })
	mux.HandleFunc("GET /deadletters", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.deadLetters.list()) })
	mux.HandleFunc("GET /stores", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.stores()) })
	mux.HandleFunc("POST /principals", func(w http.ResponseWriter, r *http.Request) {
		arn := r.URL.Query().Get("arn")
		if strings.Count(arn, ":") < 5 {
			http.Error(w, "arn is missing, such as arn:aws:sts::"+account+":assumed-role/deploy/me", http.StatusBadRequest)
			return
		}
		answer(w, credentialProcess(c.principals.admit(arn)))
	})
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.faults.list()) })
	mux.HandleFunc("PUT /faults/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := c.faults.set(r.PathValue("name"), r.URL.Query()); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /faults/{name}", func(w http.ResponseWriter, r *http.Request) {
		c.faults.delete(r.PathValue("name"))
		w.WriteHeader(http.StatusNoContent)
	})
	var err error
	c.controlURL, err = c.serve(c.control, "control endpoint", mux)
	return err
}

// actions is what each function did and may do, by logical id.
func (c *cloud) actions() map[string][]use {
	all := map[string][]use{}
	for _, f := range c.functions {
		all[f.ID] = f.uses.list()
	}
	return all
}

// A storesAnswer says where the stores are that a person with credentials for
// the account uses, past the guards.
type storesAnswer struct {
	Table, DynamoDB, STS, Region string
}

func (c *cloud) stores() storesAnswer {
	a := storesAnswer{DynamoDB: c.dynamoDB, STS: c.stsURL, Region: region}
	if len(c.stack.Tables) > 0 {
		a.Table = c.stack.Tables[0].Name
	}
	return a
}

// credentialProcess is credentials in the form that AWS's tools take from the
// output of a program.
func credentialProcess(c aws.Credentials) map[string]any {
	return map[string]any{
		"Version": 1, "AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "SessionToken": c.SessionToken,
	}
}

// environments is what runs, by logical id.
func (c *cloud) environments() map[string]lambda.Stats {
	all := map[string]lambda.Stats{}
	for _, f := range c.functions {
		all[f.ID] = f.run.Stats()
	}
	return all
}

// events is what the queues did, by logical id.
func (c *cloud) events() map[string]queue.Stats {
	all := map[string]queue.Stats{}
	for _, f := range c.functions {
		all[f.ID] = f.queue.Stats()
	}
	return all
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}
