package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The faults. Each strikes where its comment says.
const (
	killEnvironment    = "kill-environment"    // an environment dies in the middle of a request
	throttleTable      = "throttle-table"      // DynamoDB says that it is asked too often
	throttleParameters = "throttle-parameters" // SSM says so
	unavailableStore   = "unavailable-store"   // S3 answers 503
	repeatBatch        = "repeat-batch"        // a batch of a stream is delivered twice
	delayBatch         = "delay-batch"         // a batch of a stream comes late
)

var faultNames = []string{delayBatch, killEnvironment, repeatBatch, throttleParameters, throttleTable, unavailableStore}

// A fault is set until it is deleted or has struck often enough.
type fault struct {
	Count int64         `json:"count"` // how often it will strike; 0: until it is deleted
	Rate  float64       `json:"rate"`  // of the occasions, by chance
	Delay time.Duration `json:"delay"` // of delay-batch, in nanoseconds
}

// faults says when to go wrong. It is safe for concurrent use.
type faults struct {
	mu     sync.Mutex
	active map[string]*fault
	struck map[string]int64 // since the start
}

func newFaults() *faults {
	return &faults{active: map[string]*fault{}, struck: map[string]int64{}}
}

// set injects a fault by the parameters count, rate and delay. Without any it
// strikes at each occasion.
func (f *faults) set(name string, parameters url.Values) error {
	if !slices.Contains(faultNames, name) {
		return fmt.Errorf("fault %q is none of %s", name, strings.Join(faultNames, ", "))
	}
	one, err := readFault(parameters)
	if err != nil {
		return fmt.Errorf("fault %s: %w", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active[name] = &one
	return nil
}

func readFault(parameters url.Values) (fault, error) {
	one := fault{Rate: 1, Delay: time.Second}
	for name, values := range parameters {
		var err error
		switch value := values[0]; name {
		case "count":
			one.Count, err = strconv.ParseInt(value, 10, 64)
		case "rate":
			one.Rate, err = strconv.ParseFloat(value, 64)
		case "delay":
			one.Delay, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("%q is none of count, rate and delay", name)
		}
		if err != nil {
			return one, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if parameters.Has("count") && one.Count <= 0 || one.Count < 0 || !(one.Rate > 0 && one.Rate <= 1) || one.Delay < 0 {
		return one, fmt.Errorf("count is above 0, rate above 0 and at most 1, delay not below 0")
	}
	return one, nil
}

func (f *faults) delete(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.active, name)
}

// strikes reports whether the fault is to happen now, and counts it.
func (f *faults) strikes(name string) bool {
	_, now := f.strike(name)
	return now
}

// at returns strikes for a fault, as the packages below take it.
func (f *faults) at(name string) func() bool {
	return func() bool { return f.strikes(name) }
}

// delay is how long to wait now, mostly 0.
func (f *faults) delay() time.Duration {
	one, now := f.strike(delayBatch)
	if !now {
		return 0
	}
	return one.Delay
}

func (f *faults) strike(name string) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one, ok := f.active[name]
	if !ok || rand.Float64() >= one.Rate {
		return fault{}, false
	}
	f.struck[name]++
	if one.Count == 1 {
		delete(f.active, name)
	}
	one.Count = max(one.Count-1, 0)
	return *one, true
}

// A faultState is one line of what the control endpoint says.
type faultState struct {
	Name   string `json:"name"`
	Active *fault `json:"active,omitempty"`
	Struck int64  `json:"struck"`
}

// list is what is set, and what has struck.
func (f *faults) list() []faultState {
	f.mu.Lock()
	defer f.mu.Unlock()
	var states []faultState
	for _, name := range faultNames {
		s := faultState{Name: name, Struck: f.struck[name]}
		if one, ok := f.active[name]; ok {
			copied := *one
			s.Active = &copied
		}
		states = append(states, s)
	}
	return states
}
