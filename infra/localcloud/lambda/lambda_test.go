package lambda_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// newFunction returns a function whose bootstrap is this test.
func newFunction(t testing.TB, c lambda.Config) *lambda.Function {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Name, c.Bootstrap = "pull", self
	if c.Memory == 0 {
		c.Memory = 1024 // the race detector takes its share
	}
	f := lambda.New(c)
	t.Cleanup(f.Close)
	return f
}

func event(t testing.TB, o order) []byte {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// invoke returns what a function that reached its end tells of itself.
func invoke(t testing.TB, f *lambda.Function, o order) seen {
	t.Helper()
	r := result(t, f, o)
	if r.Failed {
		t.Fatalf("%+v fails: %s", o, r.Payload)
	}
	var s seen
	if err := json.Unmarshal(r.Payload, &s); err != nil {
		t.Fatalf("%v: %s", err, r.Payload)
	}
	return s
}

func result(t testing.TB, f *lambda.Function, o order) lambda.Result {
	t.Helper()
	r, err := f.Invoke(t.Context(), event(t, o))
	if err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	return r
}

func TestWarmProcessIsUsedAgain(t *testing.T) {
	f := newFunction(t, lambda.Config{Timeout: 10 * time.Second})
	first := invoke(t, f, order{Text: "a"})
	for i := range 20 {
		s := invoke(t, f, order{Text: "b"})
		if s.PID != first.PID || s.Count != i+2 || s.Text != "b" {
			t.Fatalf("event %d: process %d sees event %d, %q; the first was process %d", i+2, s.PID, s.Count, s.Text, first.PID)
		}
	}
	if s := f.Stats(); s.ColdStarts != 1 || s.Invocations != 21 || len(s.Environments) != 1 || s.Failed != 0 {
		t.Errorf("got %+v, want 1 cold start, 21 invocations, 1 environment", s)
	}
}
