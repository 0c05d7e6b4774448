package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// A stage is where one figure is taken: its servers, and a folder for their
// data.
type stage struct {
	*bench
	figure string
	dir    string
	stops  []func() // of all that was started
}

// ours starts a new Berth.
func (s *stage) ours(ctx context.Context) (*target.Target, error) {
	return s.keep(target.Berth(ctx, s.berth, s.dir))
}

// bare starts a server that does nothing but give this answer.
func (s *stage) bare(ctx context.Context, a client.Answer) (*target.Target, error) {
	return s.keep(target.Bare(ctx, a, s.dir, s.self, "bare"))
}

// all starts Berth, which is the first, and distribution, and adds what runs
// already.
func (s *stage) all(ctx context.Context) ([]*target.Target, error) {
	ours, err := s.ours(ctx)
	if err != nil {
		return nil, err
	}
	all := []*target.Target{ours}
	if s.distribution != "" {
		t, err := s.keep(target.Distribution(ctx, s.distribution, s.dir))
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	for _, p := range s.peers {
		t, err := target.At(p.name, p.url)
		if err != nil {
			return nil, err
		}
		if err := t.Ping(ctx); err != nil {
			return nil, fmt.Errorf("peer %s: %w", p.name, err)
		}
		all = append(all, t)
	}
	return all, nil
}

func (s *stage) keep(t *target.Target, err error) (*target.Target, error) {
	if err == nil {
		s.stops = append(s.stops, t.Stop)
	}
	return t, err
}

// clear ends the servers, those that others stand on last, and removes their
// data.
func (s *stage) clear() {
	for _, stop := range slices.Backward(s.stops) {
		stop()
	}
	os.RemoveAll(s.dir)
}

// A sample is how a load was answered, and what CPU time that took the server,
// 0 if that is not known.
type sample struct {
	load.Result
	cpu time.Duration
}

// measure puts a load on a target, from a process of its own.
func (s *stage) measure(ctx context.Context, t *target.Target, l load.Load) (sample, error) {
	l.Addr, l.Duration = t.Host(), s.duration
	child := exec.CommandContext(ctx, s.self, "load")
	child.Stderr = os.Stderr
	machine.Tie(child)
	before, err := cpuTime(t)
	if err != nil {
		return sample{}, err
	}
	r, err := l.Measure(ctx, child)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	after, err := cpuTime(t)
	return sample{r, after - before}, err
}

func cpuTime(of interface{ CPUTime() (time.Duration, error) }) (time.Duration, error) {
	spent, err := of.CPUTime()
	if errors.Is(err, machine.ErrUnknown) {
		return 0, nil
	}
	return spent, err
}

// add puts a row into the report.
func (s *stage) add(r report.Row) error {
	r.Figure = s.figure
	s.report.Rows = append(s.report.Rows, r)
	return r.Write(s.table)
}

// repo is the name of a repository that no run before this one has used: what
// runs already may have seen many.
func repo(what string) string { return fmt.Sprintf("bench/%s-%08x", what, rand.Uint32()) }
