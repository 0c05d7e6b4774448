package bus

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/pattern"
)

const ruleARN = "arn:aws:events:us-east-1:123456789012:rule/team/rule"

// A receiver is a target that notes what it gets, and when.
type receiver struct {
	mu      sync.Mutex
	began   time.Time
	got     []string
	at      []time.Duration
	answers []error // to the first attempts; then nil

	undelivered []map[string]string
}

func (r *receiver) send(_ context.Context, event []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got, r.at = append(r.got, string(event)), append(r.at, time.Since(r.began))
	if len(r.answers) == 0 {
		return nil
	}
	err := r.answers[0]
	r.answers = r.answers[1:]
	return err
}

func (r *receiver) giveUp(_ []byte, why map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.undelivered = append(r.undelivered, why)
}

// leadsTo adds a rule on the bus team with one target, the receiver.
func leadsTo(r *receiver, text string, change ...func(*Target)) func(*Config) {
	return func(c *Config) {
		p, err := pattern.Parse(text)
		if err != nil {
			panic(err)
		}
		target := Target{ARN: "arn:target", Send: r.send, Retries: 3, MaxAge: time.Hour, Undelivered: r.giveUp}
		for _, f := range change {
			f(&target)
		}
		c.Rules = append(c.Rules, Rule{ARN: ruleARN, Bus: "team", Pattern: p, Targets: []Target{target}})
		r.began = time.Now()
	}
}

const anyOfOurs = `{"source": ["dev.berth"]}`

// A target gets the whole envelope of what fits its rule, and of that alone.
func TestRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		b := newBus(t, leadsTo(r, `{"source": ["dev.berth"], "detail-type": [{"prefix": "dev.berth.tag."}], "detail": {"a": ["b"]}}`))
		put(t, b, entryOf(map[string]any{"Time": 1700000000.7}), entryOf(map[string]any{"DetailType": "dev.berth.manifest.pushed"}),
			entryOf(map[string]any{"Detail": `{"a": "c"}`}), entryOf(map[string]any{"EventBusName": "default"}))
		synctest.Wait()
		if len(r.got) != 1 {
			t.Fatalf("got %q, want one event", r.got)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(r.got[0]), &got); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]any{
			"version": "0", "source": "dev.berth", "detail-type": "dev.berth.tag.moved", "account": "123456789012",
			"region": "us-east-1", "time": "2023-11-14T22:13:20Z", "id": b.Taken(0, 1)[0].ID,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if s := b.Stats()[ruleARN]; s != (Stats{Delivered: 1}) {
			t.Errorf("the figures are %+v", s)
		}
	})
}

// A path leads to a part of the event; one that leads nowhere gives it up.
func TestInputPath(t *testing.T) {
	for _, tt := range []struct {
		path []string
		want string
	}{{[]string{"detail"}, `{"a":"b"}`}, {[]string{"detail", "a"}, `"b"`}, {[]string{"detail", "x"}, ""}} {
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{}
			b := newBus(t, leadsTo(r, anyOfOurs, func(target *Target) { target.InputPath = tt.path }))
			put(t, b, entryOf(nil))
			synctest.Wait()
			if tt.want == "" && len(r.got) == 0 && len(r.undelivered) == 1 {
				return
			}
			if len(r.got) != 1 || r.got[0] != tt.want {
				t.Errorf("%q: got %q, want %s", tt.path, r.got, tt.want)
			}
		})
	}
}

// A target that fails is asked again, later each time, until the rule says that
// it is enough; then the event is undelivered, with the reason.
func TestRetries(t *testing.T) {
	again, final := errors.New("not now"), &Failure{Code: "C", Err: errors.New("never"), Final: true}
	for _, tt := range []struct {
		name      string
		answers   []error
		target    func(*Target)
		at        []time.Duration
		condition string // empty: it is delivered
	}{
		{"twice", []error{again, again}, func(*Target) {}, []time.Duration{0, 1, 3}, ""},
		{"too often", []error{again, again, again, again}, func(*Target) {}, []time.Duration{0, 1, 3, 7}, "MaximumRetryAttempts"},
		{"too long", []error{again, again, again}, func(t *Target) { t.MaxAge = 6 * time.Second }, []time.Duration{0, 1, 3}, "MaximumEventAgeInSeconds"},
		{"for good", []error{final}, func(*Target) {}, []time.Duration{0}, "NonRetryable"},
		{"when it says", []error{&Failure{Err: again, After: 10 * time.Second}}, func(*Target) {}, []time.Duration{0, 10}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answers: tt.answers}
				b := newBus(t, leadsTo(r, anyOfOurs, tt.target))
				put(t, b, entryOf(nil))
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(r.at) != len(tt.at) {
					t.Fatalf("asked at %v, want %v s", r.at, tt.at)
				}
				for i, want := range tt.at {
					if r.at[i] != want*time.Second {
						t.Errorf("asked at %v, want %v s", r.at, tt.at)
					}
				}
				if tt.condition == "" && len(r.undelivered) == 0 {
					return
				}
				if len(r.undelivered) != 1 || r.undelivered[0]["EXHAUSTED_RETRY_CONDITION"] != tt.condition || r.undelivered[0]["RULE_ARN"] != ruleARN {
					t.Errorf("undelivered are %v, want one for %q", r.undelivered, tt.condition)
				}
			})
		})
	}
}

func TestDeliveryFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		b := newBus(t, leadsTo(r, anyOfOurs), func(c *Config) {
			c.Repeat, c.Delay = func() bool { return true }, func() time.Duration { return time.Minute }
		})
		put(t, b, entryOf(nil))
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(r.at) != 2 || r.at[0] != time.Minute || r.got[0] != r.got[1] {
			t.Errorf("got %q at %v, want the same twice after a minute", r.got, r.at)
		}
	})
}

// What is waiting when the bus is closed goes nowhere any more.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []error{errors.New("not now")}}
		b := newBus(t, leadsTo(r, anyOfOurs))
		put(t, b, entryOf(nil))
		synctest.Wait()
		b.Close()
		if len(r.got) != 1 || len(r.undelivered) != 0 {
			t.Errorf("asked %d times, undelivered %v, want once and none", len(r.got), r.undelivered)
		}
	})
}
