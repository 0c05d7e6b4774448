package iam

import (
	"net/http"
	"strings"
	"testing"
)

func eventsOf(target, body string) ([]access, error) {
	return newEventsProtocol(Config{Region: "eu-central-1", Account: "123456789012"}).(eventsProtocol).accesses(target, []byte(body))
}

func TestEventsAccesses(t *testing.T) {
	const prefix = "arn:aws:events:eu-central-1:123456789012:event-bus"
	for _, test := range []struct{ body, want string }{
		{`{"Entries": [{"EventBusName": "team", "Detail": "{}", "DetailType": "x", "Source": "y", "Time": 1}]}`, "events:PutEvents /team"},
		{`{"Entries": [{"EventBusName": "` + prefix + `/team"}, {"EventBusName": "team"}]}`, "events:PutEvents /team"},
		{`{"Entries": [{"EventBusName": "a"}, {"EventBusName": "b"}]}`, "events:PutEvents /a, events:PutEvents /b"},
		{`{"Entries": [{}]}`, "events:PutEvents /default"},
	} {
		a, err := eventsOf(eventsTarget, test.body)
		if got := short(a, prefix); err != nil || got != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.body, got, err, test.want)
		}
	}
}

func TestEventsUnknown(t *testing.T) {
	for _, test := range []struct {
		target, body string
		want         reason
	}{
		{"AWSEvents.PutRule", `{"Entries": [{}]}`, notImplemented},
		{"", `{"Entries": [{}]}`, notImplemented},
		{eventsTarget, `{"Entries": []}`, notImplemented},
		{eventsTarget, `{"Entries": [{}], "EndpointId": "x"}`, notImplemented},
		{eventsTarget, `{"Entries": [{"EventBusName": ""}]}`, notImplemented},
		{eventsTarget, `{"Entries": [{"EventBusName": "*"}]}`, notImplemented},
		{eventsTarget, `{"Entries": [{"EventBusName": "arn:aws:events:eu-central-1:999999999999:event-bus/a"}]}`, notImplemented},
		{eventsTarget, `{"Entries": [{"eventBusName": "a"}]}`, notImplemented},
		{eventsTarget, `{"Entries": {}}`, invalidRequest},
		{eventsTarget, `[]`, invalidRequest},
		{eventsTarget, `{}`, invalidRequest},
	} {
		a, err := eventsOf(test.target, test.body)
		if why, ok := err.(refusal); !ok || why.reason != test.want {
			t.Errorf("%s %s: got %v, %v, want reason %d", test.target, test.body, a, err, test.want)
		}
	}
}

// FuzzEvents has whatever is understood name buses here, and no pattern of any.
func FuzzEvents(f *testing.F) {
	f.Add(`{"Entries": [{"EventBusName": "team", "Detail": "{}"}]}`)
	f.Add(`{"Entries": [{"EventBusName": "arn:aws:events:eu-central-1:123456789012:event-bus/a"}, {}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		all, err := eventsOf(eventsTarget, body)
		if why, ok := err.(refusal); err != nil && (!ok || eventsAnswers[why.reason].status < http.StatusBadRequest) {
			t.Fatalf("%q: %v is not a refusal that can be written", body, err)
		}
		if err == nil && len(all) == 0 {
			t.Fatalf("%q is said to need nothing", body)
		}
		for _, a := range all {
			name, ok := strings.CutPrefix(a.resource, "arn:aws:events:eu-central-1:123456789012:event-bus/")
			if !ok || name == "" || strings.ContainsAny(name, "*?:/ ") || a.action != "events:PutEvents" {
				t.Fatalf("%q is said to need %v", body, a)
			}
		}
	})
}
