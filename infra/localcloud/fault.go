package main

import (
	"errors"
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
	throttleInvoke     = "throttle-invoke"     // Lambda says so, and takes no event
	throttleBus        = "throttle-bus"        // EventBridge says so, and takes no event of a call
	refuseEvent        = "refuse-event"        // or it takes all of a call but one, for the moment
	loseAnswer         = "lose-answer"         // or it takes all, and the connection ends before it says so
	unavailableStore   = "unavailable-store"   // S3 answers 503
	expireURL          = "expire-url"          // S3 takes a presigned URL for one that has expired
	cutUpload          = "cut-upload"          // the connection to S3 ends in the body of a request
	cutDownload        = "cut-download"        // or in that of an answer
	stallUpload        = "stall-upload"        // in the body of a request to S3 nothing comes for a while
	stallDownload      = "stall-download"      // or in that of an answer
	slowUpload         = "slow-upload"         // the body of a request to S3 comes slowly
	slowDownload       = "slow-download"       // or that of an answer
	repeatBatch        = "repeat-batch"        // a batch of a stream is delivered twice
	delayBatch         = "delay-batch"         // a batch of a stream comes late
	repeatEvent        = "repeat-event"        // an event that nobody waits for, of Lambda or of a rule, comes twice at once
	delayEvent         = "delay-event"         // or late
)

var faultNames = []string{
	cutDownload, cutUpload, delayBatch, delayEvent, expireURL, killEnvironment, loseAnswer, refuseEvent,
	repeatBatch, repeatEvent, slowDownload, slowUpload, stallDownload, stallUpload, throttleBus, throttleInvoke,
	throttleParameters, throttleTable, unavailableStore,
}

// A fault is set until it is deleted or has struck often enough.
type fault struct {
	Count    int64         `json:"count"`              // how often it will strike; 0: until it is deleted
	Rate     float64       `json:"rate"`               // of the occasions, by chance
	Delay    time.Duration `json:"delay"`              // of what delays or stalls, in nanoseconds
	At       int64         `json:"at,omitempty"`       // how many bytes pass before a cut or a stall; 0: any number. A smaller body is no occasion
	Speed    int64         `json:"speed"`              // of what is slow, in bytes a second
	Function string        `json:"function,omitempty"` // whose environments are killed, by its logical id; empty: anybody's
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

// set injects a fault by the parameters that readFault knows. Without any it
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
	one := fault{Rate: 1, Delay: time.Second, Speed: 1 << 20}
	for name, values := range parameters {
		var err error
		switch value := values[0]; name {
		case "count":
			one.Count, err = strconv.ParseInt(value, 10, 64)
		case "rate":
			one.Rate, err = strconv.ParseFloat(value, 64)
		case "delay":
			one.Delay, err = time.ParseDuration(value)
		case "at":
			one.At, err = strconv.ParseInt(value, 10, 64)
		case "speed":
			one.Speed, err = strconv.ParseInt(value, 10, 64)
		case "function":
			one.Function = value
		default:
			err = fmt.Errorf("%q is none of count, rate, delay, at, speed and function", name)
		}
		if err != nil {
			return one, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return one, one.check(parameters.Has("count"))
}

func (one fault) check(counted bool) error {
	if counted && one.Count <= 0 || one.Count < 0 || !(one.Rate > 0 && one.Rate <= 1) || one.Delay < 0 || one.At < 0 || one.Speed <= 0 {
		return errors.New("count and speed are above 0, rate above 0 and at most 1, delay and at not below 0")
	}
	return nil
}

func (f *faults) delete(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.active, name)
}

// strikes reports whether the fault is to happen now, and counts it.
func (f *faults) strikes(name string) bool {
	_, now := f.strike(name, always)
	return now
}

// at returns strikes for a fault, as the packages below take it.
func (f *faults) at(name string) func() bool {
	return func() bool { return f.strikes(name) }
}

// kills returns strikes of killEnvironment for the environments of a function.
func (f *faults) kills(function string) func() bool {
	return func() bool {
		_, now := f.strike(killEnvironment, func(one fault) bool { return one.Function == "" || one.Function == function })
		return now
	}
}

// delays returns how long to wait now, mostly 0, for a fault that delays.
func (f *faults) delays(name string) func() time.Duration {
	return func() time.Duration {
		one, now := f.strike(name, always)
		if !now {
			return 0
		}
		return one.Delay
	}
}

// inBody is strike for what happens in a body of this size.
func (f *faults) inBody(name string, size int64) (fault, bool) {
	return f.strike(name, func(one fault) bool { return one.At < size })
}

func always(fault) bool { return true }

// strike returns the fault if it is to happen at this occasion, should it be
// one.
func (f *faults) strike(name string, occasion func(fault) bool) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one, ok := f.active[name]
	if !ok || !occasion(*one) || rand.Float64() >= one.Rate {
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
