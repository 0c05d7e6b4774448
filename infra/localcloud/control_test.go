package main

import (
	"encoding/json"
	"testing"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
	"github.com/berthregistry/berth/infra/localcloud/queue"
)

// The control endpoint says what was done, and injects faults.
func TestControl(t *testing.T) {
	cl := newCloud(t)
	registry, control := newClient(t, cl.registryURL), newClient(t, cl.controlURL)
	control.want(200, "GET", "/healthz", nil)
	control.want(200, "GET", "/deadletters", nil)
	registry.want(200, "GET", "/v2/", nil)

	var events map[string]queue.Stats
	if decode(t, control.want(200, "GET", "/events", nil), &events); events["Verify"] != (queue.Stats{}) || len(events) != 6 {
		t.Errorf("events are %+v, want none of six functions", events)
	}

	var environments map[string]lambda.Stats
	decode(t, control.want(200, "GET", "/environments", nil), &environments)
	if got := environments["Pull"]; got.Invocations != 1 || len(got.Environments) != 1 {
		t.Errorf("environments of Pull are %+v, want one with one invocation", got)
	}
	registry.want(404, "GET", "/v2/team/app/manifests/v1", nil)
	var actions map[string][]use
	decode(t, control.want(200, "GET", "/actions", nil), &actions)
	read := false
	for _, u := range actions["Pull"] {
		read = read || u.Action == "dynamodb:GetItem" && u.Allowed > 0
	}
	if !read {
		t.Errorf("actions of Pull are %+v, want a GetItem among them", actions["Pull"])
	}

	control.want(204, "PUT", "/faults/throttle-table?count=3&rate=0.5", nil)
	control.want(400, "PUT", "/faults/earthquake", nil)
	control.want(400, "PUT", "/faults/throttle-table?count=often", nil)
	if got := activeFaults(t, control); len(got) != 1 || got[0] != throttleTable {
		t.Errorf("faults are %q, want throttle-table alone", got)
	}
	control.want(204, "DELETE", "/faults/throttle-table", nil)
	if got := activeFaults(t, control); len(got) != 0 {
		t.Errorf("faults are %q, want none", got)
	}
}

func activeFaults(t *testing.T, control *client) []string {
	t.Helper()
	var states []faultState
	decode(t, control.want(200, "GET", "/faults", nil), &states)
	var names []string
	for _, s := range states {
		if s.Active != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

func decode(t *testing.T, r reply, to any) {
	t.Helper()
	if err := json.Unmarshal(r.body, to); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}
