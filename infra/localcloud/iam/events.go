package iam

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// eventsLimit is more than a request needs that EventBridge takes: 256 KiB of
// entries, of which JSON may escape much.
const eventsLimit = 4 << 20

const eventsTarget = "AWSEvents.PutEvents"

// entryFields are those of an entry that need no other permission.
var entryFields = []string{"Detail", "DetailType", "EventBusName", "Resources", "Source", "Time"}

// busName is one of the account's own buses.
var busName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,256}$`)

// eventsProtocol is that of EventBridge, as far as events are put on a bus.
type eventsProtocol struct {
	jsonProtocol
	prefix string // of ARNs in this region and account
}

func newEventsProtocol(c Config) protocol {
	return eventsProtocol{
		jsonProtocol: jsonProtocol{"application/x-amz-json-1.1", eventsLimit, eventsAnswers},
		prefix:       "arn:aws:events:" + c.Region + ":" + c.Account + ":event-bus/",
	}
}

func (p eventsProtocol) read(r *request) (call, error) {
	target, err := p.target(r)
	if err != nil {
		return nil, err
	}
	needs, err := p.accesses(target, r.body)
	if err != nil {
		return nil, err
	}
	return eventsCall{needs}, nil
}

// accesses are as many as there are buses in a request.
func (p eventsProtocol) accesses(target string, body []byte) ([]access, error) {
	if target != eventsTarget {
		return nil, unknown("target %q", target)
	}
	var of fields
	var entries []fields
	if json.Unmarshal(body, &of) != nil || json.Unmarshal(of["Entries"], &entries) != nil {
		return nil, refusal{invalidRequest, "The body is not an object with entries."}
	}
	if len(of) != 1 || len(entries) == 0 {
		return nil, unknown("PutEvents with more than entries, or with none")
	}
	var needs []access
	for _, e := range entries {
		one, err := p.access(e)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(needs, one.equal) {
			needs = append(needs, one)
		}
	}
	return needs, nil
}

func (p eventsProtocol) access(entry fields) (access, error) {
	for name := range entry {
		if !slices.Contains(entryFields, name) {
			return access{}, unknown("an entry with %q", name)
		}
	}
	name := "default"
	if raw, ok := entry["EventBusName"]; ok {
		name = strings.TrimPrefix(text(raw), p.prefix)
	}
	if !busName.MatchString(name) {
		return access{}, unknown("bus %q", name)
	}
	return access{action: "events:PutEvents", resource: p.prefix + name}, nil
}

// eventsCall is a request to EventBridge that has been understood.
type eventsCall struct{ needs []access }

func (c eventsCall) accesses() []access { return c.needs }

func (eventsCall) divisible() bool { return false }

func (eventsCall) answer(*http.Response, func(access) bool) error { return nil }
