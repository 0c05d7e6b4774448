package main

import (
	"context"

	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/report"
)

const (
	// eventLimit is how many allocations a GET of a manifest may take behind a
	// gateway, the line of the log included.
	eventLimit = 80
	// nearHandler is how many times those of the handler alone they may be: to
	// make a request of an event, and a response of what is written, may cost as
	// much again.
	nearHandler = 2
)

// takeEvent counts what it takes to answer an event. Unlike time this is the
// same on every machine.
func takeEvent(ctx context.Context, s *stage) error {
	n, err := function.CountAllocations(ctx, ".")
	if err != nil {
		return err
	}
	if err := s.addCount("allocations, manifest GET by event", n.Function, "the limit", eventLimit, 1); err != nil {
		return err
	}
	return s.addCount("allocations, gateway and handler only", n.Gateway, "the handler", n.Handler, nearHandler)
}

// addCount reports numbers that are the same in every round.
func (s *stage) addCount(what string, ours int, peer string, theirs int, atMost float64) error {
	row := compared(what, report.Count, []float64{float64(ours)}, peer, []float64{float64(theirs)})
	row.Wanted.AtMost = atMost
	return s.add(row)
}
