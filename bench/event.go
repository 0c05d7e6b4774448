package main

import (
	"context"

	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/report"
)

// eventLimit is how many allocations a GET of a manifest may take behind a
// gateway. Half of them are the gateway's way of making a request of an event.
const eventLimit = 80

// takeEvent counts what it takes to answer an event. Unlike time this is the
// same on every machine.
func takeEvent(ctx context.Context, s *stage) error {
	n, err := function.Allocations(ctx, ".")
	if err != nil {
		return err
	}
	return s.add(report.Row{
		Case: "allocations, manifest GET by event", Unit: report.Count,
		Ours: report.Value{Value: float64(n)}, Peer: "the limit", Theirs: report.Value{Value: eventLimit},
		Ratio: report.Of([]float64{float64(n) / eventLimit}), Wanted: report.Bound{AtMost: 1},
	})
}
