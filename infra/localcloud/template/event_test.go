package template

import (
	"slices"
	"testing"
	"time"
)

// The rules of the project lead to whom its parameters name.
func TestProjectRules(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:123456789012:events"
	s, err := Load(project, map[string]string{
		"Access": "open", "AWS::StackName": "team", "EventTypes": "dev.berth.referrer.", "EventTarget": topic,
		"WebhookUrl": "https://ci.example/hook", "WebhookHeader": "X-Key", "WebhookSecret": "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Buses) != 1 || len(s.Rules) != 2 || len(s.Destinations) != 1 || len(s.Connections) != 1 {
		t.Fatalf("got %d buses, %d rules, %d destinations and %d connections, want 1, 2, 1 and 1",
			len(s.Buses), len(s.Rules), len(s.Destinations), len(s.Connections))
	}
	const pattern = `{"detail-type":[{"prefix":"dev.berth.referrer."}],"source":["dev.berth"]}`
	for _, r := range s.Rules {
		if r.Bus != s.Buses[0].Name || r.Pattern != pattern || len(r.Targets) != 1 {
			t.Errorf("%s is %+v, want %s on %s and one target", r.ID, r, pattern, s.Buses[0].Name)
		}
		if target := r.Targets[0]; !slices.Equal(target.InputPath, []string{"detail"}) || target.Retries != 185 || target.MaxAge != 24*time.Hour {
			t.Errorf("%s leads to %+v, want what is in the event for a day", r.ID, target)
		}
	}
	destination, webhook := s.Destinations[0], s.Rules[1].Targets[0]
	if s.Rules[0].Targets[0].ARN != topic || webhook.ARN != destination.ARN || webhook.Header["Content-Type"] != "application/cloudevents+json" {
		t.Errorf("the targets are %+v and %+v", s.Rules[0].Targets[0], webhook)
	}
	if got := webhook.Policies; len(got) != 1 || !slices.Equal(got[0].Resources, []string{destination.ARN}) {
		t.Errorf("for the webhook the rule may %+v", got)
	}
	if c := s.Connections[0]; destination.Connection != c.ARN || destination.URL != "https://ci.example/hook" || c.Header != "X-Key" || c.Value != "secret" {
		t.Errorf("the destination is %+v, its connection %+v", destination, c)
	}
}

// A pattern keeps its types: what stands without quotes is no string.
func TestEventPattern(t *testing.T) {
	const text = `
Parameters:
  Flag: {Type: String, Default: "true"}
Resources:
  R:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: arn:aws:events:us-east-1:123456789012:event-bus/mine
      EventPattern:
        detail:
          a: [{exists: true}, "true", !Ref Flag, 7, "7"]
          $or: [{b: [x]}, {c: [y]}]
  Off: {Type: "AWS::Events::Rule", Properties: {State: DISABLED, EventPattern: {a: [b]}}}
`
	s, err := load(read(map[string]string{"t.yaml": text}), "t.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"detail":{"$or":[{"b":["x"]},{"c":["y"]}],"a":[{"exists":true},"true","true",7,"7"]}}`
	if len(s.Rules) != 1 || s.Rules[0].Pattern != want || s.Rules[0].Bus != "mine" {
		t.Errorf("got %+v, want the one that is enabled, with %s", s.Rules, want)
	}
}
