// Package target runs the servers that are measured, each in a process of its
// own.
package target

import (
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/machine"
)

// A Target is a server that answers.
type Target struct {
	*client.Client
	Name string
	// Control is the address of a local cloud's control endpoint, as host and port.
	Control string

	process *process // nil for one that others started
}

// At is a registry that is running already.
func At(name, url string) (*Target, error) {
	c, err := client.New(url)
	if err != nil {
		return nil, err
	}
	return &Target{Client: c, Name: name}, nil
}

// CPUTime is what the server has spent so far. Errors: machine.ErrUnknown, for
// one that others started as well.
func (t *Target) CPUTime() (time.Duration, error) {
	if t.process == nil {
		return 0, machine.ErrUnknown
	}
	return machine.CPUTime(t.process.pid())
}

// PeakMemory is the most that the server has had resident so far, in bytes.
// Errors are as of CPUTime.
func (t *Target) PeakMemory() (int64, error) {
	if t.process == nil {
		return 0, machine.ErrUnknown
	}
	return machine.PeakMemory(t.process.pid())
}

// Stop ends the server if it was started here. It may be called again.
func (t *Target) Stop() {
	if t.process != nil {
		t.process.stop()
	}
}
