package main

import (
	"context"
	"errors"

	"github.com/berthregistry/berth/bench/report"
)

// race calls turn for each of n rivals, round after round, and returns what it
// returned by rival and round. Each round begins with another rival, so that
// none always runs in another's wake.
func race[T any](ctx context.Context, rounds, n int, turn func(ctx context.Context, rival int) (T, error)) ([][]T, error) {
	results := make([][]T, n)
	for round := range rounds {
		for i := range n {
			rival := (round + i) % n
			got, err := turn(ctx, rival)
			if err := errors.Join(err, ctx.Err()); err != nil {
				return nil, err
			}
			results[rival] = append(results[rival], got)
		}
	}
	return results, nil
}

// compared is a row about numbers of ours and theirs, round by round.
func compared(what string, unit report.Unit, ours []float64, peer string, theirs []float64) report.Row {
	return report.Row{
		Case: what, Unit: unit, Peer: peer,
		Ours:   report.Value{Value: report.Median(ours)},
		Theirs: report.Value{Value: report.Median(theirs)},
		Ratio:  ratio(ours, theirs),
	}
}

// limited is a row about a number of ours that has a limit.
func limited(what string, unit report.Unit, ours, limit float64) report.Row {
	return report.Row{
		Case: what, Unit: unit, Peer: "the limit",
		Ours: report.Value{Value: ours}, Theirs: report.Value{Value: limit},
		Ratio: report.Of([]float64{ours / limit}), Wanted: report.Bound{AtMost: 1},
	}
}

// each maps the results of rounds to numbers.
func each[T any](results []T, number func(T) float64) []float64 {
	numbers := make([]float64, len(results))
	for i, r := range results {
		numbers[i] = number(r)
	}
	return numbers
}

// ratio is that of ours to theirs, round by round.
func ratio(ours, theirs []float64) report.Spread {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	return report.Of(ratios)
}
