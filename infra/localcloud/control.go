package main

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// serveControl opens the control endpoint:
//
//	GET    /healthz       answers 200 while the cloud stands
//	GET    /actions       what each function did in the stores, and what it may
//	GET    /environments  the environments of each function
//	GET    /deadletters   what was given up, by queue
//	GET    /faults        which are set, and how often each has struck
//	PUT    /faults/NAME   sets one: ?count=3&rate=0.2&delay=2s
//	DELETE /faults/NAME   ends one
func (c *cloud) serveControl(context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /actions", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.actions()) })
	mux.HandleFunc("GET /environments", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.environments()) })
	mux.HandleFunc("GET /deadletters", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.deadLetters.list()) })
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

// environments is what runs, by logical id.
func (c *cloud) environments() map[string]lambda.Stats {
	all := map[string]lambda.Stats{}
	for _, f := range c.functions {
		all[f.ID] = f.run.Stats()
	}
	return all
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}
