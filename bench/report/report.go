// Package report says what was measured: as a table for people, as JSON for
// programs, and in one line whether it is what was wanted.
package report

import "slices"

// A Report is what one run measured.
type Report struct {
	Machine Machine `json:"machine"`
	// Smoke is set where everything was made so small and short that the
	// figures prove only that they can be taken.
	Smoke bool  `json:"smoke"`
	Rows  []Row `json:"rows"`
}

// A Machine is what figures depend on most.
type Machine struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

// A Row is one figure of ours beside one of somebody else's.
type Row struct {
	Figure string `json:"figure"` // the name that the command line knows it by
	Case   string `json:"case"`   // what was done
	Unit   Unit   `json:"unit"`
	Ours   Value  `json:"ours"`
	Peer   string `json:"peer"`
	Theirs Value  `json:"theirs"`
	// Ratio is Ours to Theirs. It is the median of the ratios of the rounds,
	// and so not quite that of the medians.
	Ratio Spread `json:"ratio"`
	// Difference is Ours less Theirs, round by round, where somebody asks what
	// the one adds to the other.
	Difference *Spread `json:"difference,omitempty"`
	Wanted     Bound   `json:"wanted"`
	Note       string  `json:"note,omitempty"`
}

// A Value is a figure and what is worth to be said beside it.
type Value struct {
	Value float64 `json:"value"`
	P99   float64 `json:"p99_seconds,omitempty"` // of single requests
	// What the server spent, in seconds of one CPU. Other work on the machine
	// disturbs it far less than it does the rest.
	CPUPerRequest float64 `json:"cpu_seconds_per_request,omitempty"`
	CPUPerGiB     float64 `json:"cpu_seconds_per_gib,omitempty"`
}

// A Spread is the middle of several values and how far apart they are.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// Of returns the spread of at least one value.
func Of(values []float64) Spread {
	s := slices.Sorted(slices.Values(values))
	return Spread{Median: Median(s), Low: s[0], High: s[len(s)-1]}
}

// Median returns the middle of at least one value.
func Median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// A Bound is what a ratio should be. The zero value wants nothing.
type Bound struct {
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
}

// A Verdict is whether a figure is what was wanted.
type Verdict string

// The verdicts.
const (
	OK    Verdict = "ok"
	Short Verdict = "short"
	None  Verdict = "-" // nothing was wanted
)

// Verdict holds the ratio of the row to its bound.
func (r Row) Verdict() Verdict {
	switch m := r.Ratio.Median; {
	case r.Wanted == Bound{}:
		return None
	case m < r.Wanted.AtLeast, r.Wanted.AtMost > 0 && m > r.Wanted.AtMost:
		return Short
	}
	return OK
}

// Count returns how many rows have the verdict.
func (r Report) Count(v Verdict) int {
	n := 0
	for _, row := range r.Rows {
		if row.Verdict() == v {
			n++
		}
	}
	return n
}
