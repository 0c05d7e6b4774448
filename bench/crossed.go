package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/berthregistry/berth/bench/meter"
	"github.com/berthregistry/berth/bench/report"
)

// withoutHeader is what the header is compared to.
const withoutHeader = "header off"

// addCrossed reports what a copier took with the header and without, over a line
// that adds so much to a round trip.
func (s *stage) addCrossed(name string, added time.Duration, with, without []passed) error {
	at := fmt.Sprintf(", %d ms", added.Milliseconds())
	for _, m := range []struct {
		what   string
		unit   report.Unit
		number func(passed) float64
		note   string
	}{
		{"referrers", report.Count, referrers, ""},
		{"requests", report.Count, func(p passed) float64 { return float64(p.All()) }, byKind(with, without)},
		{"bytes", report.Bytes, func(p passed) float64 { return float64(p.Bytes) }, ""},
		{"time", report.Seconds, func(p passed) float64 { return p.elapsed.Seconds() }, ""},
	} {
		row := differing(name+": "+m.what+at, each(with, m.number), withoutHeader, each(without, m.number))
		row.Unit, row.Note = m.unit, m.note
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// byKind says how many requests were of which kind, with the header and without.
func byKind(with, without []passed) string {
	var kinds []string
	for _, k := range meter.Kinds() {
		of := func(p passed) float64 { return float64(p.Requests[k]) }
		kinds = append(kinds, fmt.Sprintf("%s %.0f and %.0f", k, report.Median(each(with, of)), report.Median(each(without, of))))
	}
	return "with the header and without: " + strings.Join(kinds, ", ")
}
