package picture

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"text/template"
)

//go:embed saving.svg.tmpl
var drawing string

// Places in the drawing, in pixels.
const (
	head     = 62  // above the first group
	group    = 66  // of one copier, its two bars and what is between it and the next
	leftBar  = 110 // where bars of requests begin
	rightBar = 530 // where bars of time begin
	longest  = 190 // bar of requests, and of time
)

// A bar is one line of the drawing, its measures in pixels.
type bar struct {
	Top, Left, Width float64
	After            float64 // where its text begins
	Class, Text      string
}

// A label stands before two bars.
type label struct {
	Top  float64
	Text string
}

// Draw writes the savings as SVG: for each copier the requests for referrers, and
// the time on the slowest line. It can be read on a bright ground and on a dark
// one.
func Draw(savings []Saving) ([]byte, error) {
	trips := savings[0].RoundTrips()
	slowest := trips[len(trips)-1]
	page := struct {
		Height, Left, Right, RoundTrip int
		Labels                         []label
		Bars                           []bar
	}{Height: head + group*len(savings) + 4, Left: leftBar, Right: rightBar, RoundTrip: slowest}
	most := slices.MaxFunc(savings, func(a, b Saving) int { return int(a.Referrers.Off - b.Referrers.Off) }).Referrers.Off
	var longestTime float64
	for _, s := range savings {
		longestTime = max(longestTime, s.Seconds[slowest].Off, s.Seconds[slowest].On)
	}
	for i, s := range savings {
		top := float64(head + i*group)
		page.Labels = append(page.Labels, label{top, s.Copier})
		page.Bars = append(page.Bars, bars(top, leftBar, s.Referrers, most, fmt.Sprintf("%.0f", s.Referrers.Off), requests(s))...)
		p := s.Seconds[slowest]
		page.Bars = append(page.Bars, bars(top, rightBar, p, longestTime, seconds(p.Off), seconds(p.On))...)
	}
	t, err := template.New("saving").Parse(drawing)
	if err != nil {
		return nil, fmt.Errorf("draw: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, page); err != nil {
		return nil, fmt.Errorf("draw: %w", err)
	}
	return b.Bytes(), nil
}

// requests says how many of all a copier need not make.
func requests(s Saving) string {
	return fmt.Sprintf("%.0f: %s of all %.0f requests", s.Referrers.On, percent(s.Requests), s.Requests.Off)
}

// bars are one without the header and beneath it one with, as long as their part
// of the most.
func bars(top, left float64, p Pair, most float64, off, on string) []bar {
	draw := func(top, v float64, class, text string) bar {
		width := max(1, longest*v/most)
		return bar{top, left, width, left + width + 6, class, text}
	}
	return []bar{draw(top, p.Off, "off", off), draw(top+24, p.On, "on", on)}
}
