package main

import (
	"net/url"
	"testing"
	"time"
)

// An environment dies somewhere in a request: the gateway answers 5xx unless all
// was done by then, and whoever tries again succeeds.
func TestKilledEnvironment(t *testing.T) {
	cl := newCloud(t)
	c := newClient(t, cl.registryURL)
	m := c.pushImage("team/app", "v0", noise(100<<10)) // it is known how long a request takes
	put := func() reply { return c.do("PUT", "/v2/team/app/manifests/v1", m, "Content-Type", imageType) }

	cl.inject(t, killEnvironment, "")
	failed := put()
	for tries := 0; failed.status == 201 && tries < 200; tries++ {
		failed = put()
	}
	if failed.status < 500 {
		t.Fatalf("no request failed for the death of its environment, the last was answered %v", failed)
	}
	cl.faults.delete(killEnvironment)
	before := cl.environments()["Push"].ColdStarts
	if r := put(); r.status != 201 {
		t.Fatalf("tried again, got %v", r)
	}
	if got := cl.environments()["Push"].ColdStarts; got != before+1 {
		t.Errorf("%d cold starts after the death, want 1", got-before)
	}
	if got := c.want(200, "GET", "/v2/team/app/manifests/v1", nil); string(got.body) != string(m) {
		t.Errorf("got manifest %s, want %s", got.body, m)
	}
}

// What the stores refuse once or twice, the functions try again.
func TestStoresRefuse(t *testing.T) {
	cl := newCloud(t)
	c := newClient(t, cl.registryURL)
	for _, fault := range []string{throttleTable, unavailableStore} {
		t.Run(fault, func(t *testing.T) {
			sub := *c
			sub.t = t
			cl.inject(t, fault, "count=2")
			layer := noise(2 << 20)
			sub.pushImage("team/app", "v1", layer)
			sub.want(200, "GET", "/v2/team/app/manifests/v1", nil)
			sub.want(200, "GET", "/v2/team/app/blobs/"+digest(layer), nil)
			if got := cl.struck(fault); got != 2 {
				t.Errorf("the fault struck %d times, want 2", got)
			}
		})
	}
}

// A store that is gone for longer is an error of the registry's own, not of the
// gateway, and passes.
func TestStoreIsGone(t *testing.T) {
	cl := newCloud(t)
	c := newClient(t, cl.registryURL)
	c.pushImage("team/app", "v1", noise(100<<10))
	cl.inject(t, throttleTable, "")
	if r := c.do("GET", "/v2/team/app/manifests/v1", nil); r.status < 500 && r.status != 429 {
		t.Errorf("without a table got %v", r)
	}
	cl.faults.delete(throttleTable)
	c.want(200, "GET", "/v2/team/app/manifests/v1", nil)
}

func (c *cloud) inject(t *testing.T, name, parameters string) {
	t.Helper()
	query, err := url.ParseQuery(parameters)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.faults.set(name, query); err != nil {
		t.Fatal(err)
	}
}

// struck is how often a fault has struck.
func (c *cloud) struck(name string) int64 {
	for _, s := range c.faults.list() {
		if s.Name == name {
			return s.Struck
		}
	}
	return 0
}

func TestFaultParameters(t *testing.T) {
	for _, tt := range []struct {
		text string
		want fault
		ok   bool
	}{
		{"throttle-table", fault{Rate: 1, Delay: time.Second, Speed: 1 << 20}, true},
		{"throttle-table=3", fault{Count: 3, Rate: 1, Delay: time.Second, Speed: 1 << 20}, true},
		{"delay-batch=count=2&delay=5s&rate=0.5", fault{Count: 2, Rate: 0.5, Delay: 5 * time.Second, Speed: 1 << 20}, true},
		{"cut-upload=at=1000&speed=5", fault{Rate: 1, Delay: time.Second, At: 1000, Speed: 5}, true},
		{"kill-environment=function=Verify&count=1", fault{Count: 1, Rate: 1, Delay: time.Second, Speed: 1 << 20, Function: "Verify"}, true},
		{"cut-upload=at=-1", fault{}, false},
		{"slow-upload=speed=0", fault{}, false},
		{"throttle-table=0", fault{}, false},
		{"throttle-table=-1", fault{}, false},
		{"throttle-table=often", fault{}, false},
		{"throttle-table=rate=0", fault{}, false},
		{"throttle-table=rate=1.5", fault{}, false},
		{"throttle-table=rate=NaN", fault{}, false},
		{"throttle-table=delay=-1s", fault{}, false},
		{"throttle-table=mood=bad", fault{}, false},
		{"earthquake", fault{}, false},
	} {
		f := newFaults()
		err := setFault(f, tt.text)
		if (err == nil) != tt.ok {
			t.Errorf("%s: got error %v, want one: %v", tt.text, err, !tt.ok)
		}
		for _, s := range f.list() {
			if s.Active != nil && *s.Active != tt.want {
				t.Errorf("%s: got %+v, want %+v", tt.text, *s.Active, tt.want)
			}
		}
	}
}

// A fault with a count strikes so often and then never; one without strikes on.
func TestFaultCount(t *testing.T) {
	f := newFaults()
	for _, tt := range []struct {
		text string
		want int
	}{{"throttle-table=3", 3}, {"throttle-table", 10}, {"throttle-table=rate=0.000001", 0}} {
		if err := setFault(f, tt.text); err != nil {
			t.Fatal(err)
		}
		got := 0
		for range 10 {
			if f.strikes(throttleTable) {
				got++
			}
		}
		if got != tt.want {
			t.Errorf("%s struck %d times of 10, want %d", tt.text, got, tt.want)
		}
	}
}
