package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/infra/localcloud/bus"
	"github.com/berthregistry/berth/infra/localcloud/lambda"
	"github.com/berthregistry/berth/infra/localcloud/queue"
	"github.com/berthregistry/berth/infra/localcloud/stream"
)

// serveControl opens the control endpoint:
//
//	GET    /healthz       answers 200 while the cloud stands
//	GET    /actions       what each function did in the stores, and what it may
//	GET    /environments  the environments of each function
//	GET    /events        what became of the events that nobody waits for, by function
//	GET    /mappings      what became of the changes of streams, by function
//	GET    /bus           the events that the buses have taken, a thousand at most: ?after=N goes on behind one
//	GET    /rules         what became of the events that fit each rule, by its ARN
//	GET    /deadletters   what streams and rules gave up and nobody has deleted, by queue
//	GET    /stores        where table, STS, buses and queues are, for who has credentials
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
	mux.HandleFunc("GET /mappings", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.followed()) })
	mux.HandleFunc("GET /bus", c.serveTaken)
	mux.HandleFunc("GET /rules", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.bus.Stats()) })
	mux.HandleFunc("GET /deadletters", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.letters()) })
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
// the account uses, past the guards. Queue is the URL of the one that has what
// the table's stream gave up; there, and on the bus, names may be empty.
type storesAnswer struct {
	Table, DynamoDB, STS, Region string
	Bus, EventBridge, Queue, SQS string
}

func (c *cloud) stores() storesAnswer {
	a := storesAnswer{DynamoDB: c.dynamoDB, STS: c.stsURL, Region: region, EventBridge: c.busURL, SQS: c.queuesURL}
	if len(c.stack.Tables) > 0 {
		a.Table = c.stack.Tables[0].Name
	}
	if len(c.stack.Buses) > 0 {
		a.Bus = c.stack.Buses[0].Name
	}
	for _, m := range c.stack.Mappings {
		for _, q := range c.stack.Queues {
			if q.ARN == m.OnFailure {
				a.Queue = q.URL
			}
		}
	}
	return a
}

// serveTaken is what the buses have taken.
func (c *cloud) serveTaken(w http.ResponseWriter, r *http.Request) {
	const page = 1000
	after, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("after"), "0"))
	if err != nil {
		http.Error(w, "after is the number of an event", http.StatusBadRequest)
		return
	}
	answer(w, append([]bus.Taken{}, c.bus.Taken(after, page)...))
}

// letters are the messages in the queues.
func (c *cloud) letters() map[string][]json.RawMessage {
	all := map[string][]json.RawMessage{}
	for name, bodies := range c.queues.Bodies() {
		for _, body := range bodies {
			all[name] = append(all[name], json.RawMessage(body))
		}
	}
	return all
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

// followed is what the mappings did, by logical id of the function.
func (c *cloud) followed() map[string]stream.Stats {
	all := map[string]stream.Stats{}
	for id, m := range c.mappings {
		all[id] = m.Stats()
	}
	return all
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}
