package infra_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/pattern"
	"github.com/berthregistry/berth/infra/localcloud/template"
	store "github.com/berthregistry/berth/shared/table"
)

// The stream goes to Announce alone: what fails is told apart and ends in a
// queue, in time for somebody to take it up while the stream still has it.
func TestAnnounceFollowsTheStream(t *testing.T) {
	mappings := load(t, nil).Mappings
	if len(mappings) != 1 {
		t.Fatalf("%d functions follow the stream, want one", len(mappings))
	}
	m := mappings[0]
	if m.Function != "Announce" || m.Source != stream || m.Start != "LATEST" || m.Parallel != 1 {
		t.Errorf("the mapping is %+v", m)
	}
	if !m.ReportItems || !m.Bisect || m.OnFailure != "arn:aws:sqs:us-east-1:123456789012:berth-Unannounced" {
		t.Errorf("what fails is not told apart: %+v", m)
	}
	if m.Retries < 1 || m.MaxAge == 0 || m.MaxAge > store.StreamLife/4 {
		t.Errorf("%d retries and %v leave too little of the %v that the stream has a change", m.Retries, m.MaxAge, store.StreamLife)
	}
}

// A mapping that begins at the end may miss what comes while it is made. What a
// new table has said until then is told, what one from before has said was told.
func TestAnnounceMissesNoBeginning(t *testing.T) {
	fresh := load(t, map[string]string{"Table": "", "Bucket": "", "Stream": ""}).Mappings
	if len(fresh) != 1 || fresh[0].Start != "TRIM_HORIZON" {
		t.Errorf("of a new table %+v, want one mapping from its beginning on", fresh)
	}
}

// The function is not called for what it would not tell of, least of all for
// what it has written itself: that would have no end.
func TestAnnounceIsToldOfLittle(t *testing.T) {
	var filters []pattern.Pattern
	for _, text := range load(t, nil).Mappings[0].Filters {
		p, err := pattern.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		filters = append(filters, p)
	}
	for key, want := range map[[2]string]bool{
		{"repo#team/app", "manifest#sha256:00"}:                         true,
		{"repo#team/app", "tag#latest"}:                                 true,
		{"repo#team/app", "referrer#sha256:00#application/x#sha256:11"}: true,
		{"repos", "repo#team/app"}:                                      true,
		{"repo#team/app", "blob#sha256:00"}:                             false,
		{"repo#team/app", "parent#sha256:00#latest"}:                    false,
		{"repo#team/app", "upload#1"}:                                   false,
		{"events#team/app", "head"}:                                     false,
		{"events#team/app", "at#0000000000000001"}:                      false,
		{"events#repo#manifest#", "manifest#"}:                          false,
		{"object#object/1", "object"}:                                   false,
		{"digest#sha256:00", "team/app"}:                                false,
		{"access", "robot#ci"}:                                          false,
		{"consumer#x", "shard#1"}:                                       false,
	} {
		record := fmt.Appendf(nil, `{"eventName":"INSERT","dynamodb":{"Keys":{"pk":{"S":%q},"sk":{"S":%q}}}}`, key[0], key[1])
		if got := slices.ContainsFunc(filters, func(p pattern.Pattern) bool { return p.Fits(record) }); got != want {
			t.Errorf("%v is let through: %v, want %v", key, got, want)
		}
	}
}

// Without a stream, or if nobody wants events, nothing of it is there, and Pull
// knows.
func TestNoEvents(t *testing.T) {
	for _, parameters := range []map[string]string{{"Stream": ""}, {"Events": "false"}, {"Events": "false", "EventTarget": "arn:aws:sqs:eu-west-1:123456789012:q"}} {
		stack := load(t, parameters)
		if len(stack.Mappings)+len(stack.Queues)+len(stack.Buses)+len(stack.Rules) != 0 {
			t.Errorf("%v: there are %v, %v, %v and %v", parameters, stack.Mappings, stack.Queues, stack.Buses, stack.Rules)
		}
		for _, f := range stack.Functions {
			if f.ID == "Announce" || f.Env["BERTH_BUS"] != "" {
				t.Errorf("%v: %s is told of the bus %q", parameters, f.ID, f.Env["BERTH_BUS"])
			}
		}
	}
	if _, err := template.Load("../template.yaml", map[string]string{"Stream": stream}); err == nil {
		t.Error("a stream without its table is taken")
	}
}

// The function's bus is the stack's own, and events say where the registry is.
func TestAnnounceIsTold(t *testing.T) {
	stack := load(t, map[string]string{"DomainName": "registry.example.com", "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1"})
	if len(stack.Buses) != 1 || stack.Buses[0].Name != "berth-events" {
		t.Fatalf("there are %+v, want one bus of the stack's", stack.Buses)
	}
	i := slices.IndexFunc(stack.Functions, func(f template.Function) bool { return f.ID == "Announce" })
	f := stack.Functions[i]
	if f.Env["BERTH_BUS"] != "berth-events" || f.Env["BERTH_URL"] != "https://registry.example.com" || f.Timeout != time.Minute {
		t.Errorf("Announce has %v, and is told %v", f.Timeout, f.Env)
	}
	want := "berth redrive --queue https://sqs.us-east-1.amazonaws.com/123456789012/berth-Unannounced --table the-table --bus berth-events --url https://registry.example.com"
	if got := stack.Outputs["Redrive"]; got != want {
		t.Errorf("to redrive one types %s, want %s", got, want)
	}
}

// Whoever is given as a target gets the events that are wanted, whole and bare,
// and what is in vain is kept.
func TestRulesToBeginWith(t *testing.T) {
	if rules := load(t, nil).Rules; len(rules) != 0 {
		t.Errorf("nobody asked for %+v", rules)
	}
	stack := load(t, map[string]string{
		"EventTypes": "dev.berth.referrer.", "EventTarget": "arn:aws:sns:us-east-1:123456789012:supply-chain",
		"WebhookUrl": "https://ci.example/hook?a=1", "WebhookSecret": "ci/hook",
	})
	if len(stack.Rules) != 2 {
		t.Fatalf("got %+v, want two rules", stack.Rules)
	}
	for _, r := range stack.Rules {
		p, err := pattern.Parse(r.Pattern)
		if err != nil {
			t.Fatal(err)
		}
		for event, want := range map[string]bool{
			`{"source":"dev.berth","detail-type":"dev.berth.referrer.attached"}`: true,
			`{"source":"dev.berth","detail-type":"dev.berth.tag.moved"}`:         false,
			`{"source":"aws.s3","detail-type":"dev.berth.referrer.attached"}`:    false,
		} {
			if p.Fits([]byte(event)) != want {
				t.Errorf("the pattern %s takes %s: %v", r.Pattern, event, !want)
			}
		}
		target := r.Targets[0]
		if r.Bus != "berth-events" || !slices.Equal(target.InputPath, []string{"detail"}) || target.MaxAge != 24*time.Hour {
			t.Errorf("a rule of the bus %s leads to %+v", r.Bus, target)
		}
		if target.DeadLetters != "arn:aws:sqs:us-east-1:123456789012:berth-Undelivered" {
			t.Errorf("what is in vain goes to %q", target.DeadLetters)
		}
	}
	if c := stack.Connections; len(c) != 1 || c[0].Header != "Authorization" || c[0].Value != "ci/hook" {
		t.Errorf("the webhook is told who calls by %+v", c)
	}
}
