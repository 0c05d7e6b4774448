// Package picture shows what the figure saving has measured: as a drawing, and
// as a table for the README.
package picture

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/bench/report"
)

// A Saving is what one copier took with the header and without.
type Saving struct {
	Copier    string
	Referrers Pair         // requests for lists of referrers
	Requests  Pair         // all of them
	Bytes     Pair         // both ways
	Seconds   map[int]Pair // by the milliseconds that the line adds to a round trip
}

// A Pair is a number without the header and with it.
type Pair struct{ Off, On float64 }

// Less is how much less it is with the header, as a fraction.
func (p Pair) Less() float64 { return (p.Off - p.On) / p.Off }

// RoundTrips are what the lines add to one, in milliseconds, ascending.
func (s Saving) RoundTrips() []int { return slices.Sorted(maps.Keys(s.Seconds)) }

// Of finds the savings in a report, in the order in which it has them. What was
// counted over several lines is taken of the one on which least was saved: on a slow
// one the moment for which absence is believed may pass. Errors: there are none, or
// the report is of a smoke run, which proves nothing.
func Of(r report.Report) ([]Saving, error) {
	if r.Smoke {
		return nil, errors.New("the report is of a smoke run")
	}
	var all []*Saving
	for _, row := range r.Rows {
		copier, what, ok := strings.Cut(row.Case, ": ")
		what, at, timed := strings.Cut(what, ", ")
		if row.Figure != "saving" || !ok || !timed {
			continue
		}
		i := slices.IndexFunc(all, func(s *Saving) bool { return s.Copier == copier })
		if i < 0 {
			i, all = len(all), append(all, &Saving{Copier: copier, Seconds: map[int]Pair{}})
		}
		if err := all[i].take(what, at, Pair{Off: row.Theirs.Value, On: row.Ours.Value}); err != nil {
			return nil, fmt.Errorf("%s: %w", row.Case, err)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the report says nothing of what the header saves")
	}
	var savings []Saving
	for _, s := range all {
		savings = append(savings, *s)
	}
	return savings, nil
}

// take notes what a row of the report says.
func (s *Saving) take(what, at string, p Pair) error {
	milliseconds, err := strconv.Atoi(strings.TrimSuffix(at, " ms"))
	if err != nil {
		return fmt.Errorf("read the round trip: %w", err)
	}
	first := map[string]*Pair{"referrers": &s.Referrers, "requests": &s.Requests, "bytes": &s.Bytes}[what]
	switch {
	case what == "time":
		s.Seconds[milliseconds] = p
	case first == nil:
		return fmt.Errorf("nobody knows what %q is", what)
	case *first == Pair{}, p.Off-p.On < first.Off-first.On:
		*first = p
	}
	return nil
}
