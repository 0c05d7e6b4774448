package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// A Unit is what a figure counts.
type Unit string

// The units.
const (
	PerSecond Unit = "per second"
	Seconds   Unit = "seconds"
	Bandwidth Unit = "bytes per second"
	Bytes     Unit = "bytes"
	Count     Unit = "count"
)

// format writes a value for people.
func (u Unit) format(v float64) string {
	switch u {
	case Seconds:
		return duration(v)
	case Bandwidth:
		return bytes(v) + "/s"
	case Bytes:
		return bytes(v)
	case Count:
		return thousands(int64(math.Round(v)))
	}
	if v < 10 {
		return fmt.Sprintf("%.1f/s", v)
	}
	return thousands(int64(math.Round(v))) + "/s"
}

func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch size := d.Abs(); { // a difference may be negative
	case size < 10*time.Microsecond:
		return fmt.Sprintf("%.1f µs", seconds*1e6)
	case size < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case size < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case size < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func bytes(v float64) string {
	switch {
	case v >= 10<<30:
		return fmt.Sprintf("%.1f GiB", v/(1<<30))
	case v >= 1<<20:
		return thousands(int64(math.Round(v/(1<<20)))) + " MiB"
	}
	return fmt.Sprintf("%.0f KiB", v/(1<<10))
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// widths are those of the columns, so that rows can be printed as they come.
var widths = []int{38, 33, 13, 33, 19, 7}

// columns joins cells; the last one is as wide as it is.
func columns(cells ...string) string {
	var b strings.Builder
	for i, cell := range cells {
		if i < len(widths) {
			fmt.Fprintf(&b, "%-*s ", widths[i], cell)
		} else {
			b.WriteString(cell)
		}
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// WriteHead writes the head of the table.
func WriteHead(w io.Writer) error {
	_, err := io.WriteString(w, columns("figure", "ours", "peer", "theirs", "ratio (low-high)", "wanted", "verdict"))
	return err
}

// Write writes the row as a line of the table, and beneath it the difference and
// the note.
func (r Row) Write(w io.Writer) error {
	line := columns(r.Case, r.Unit.cell(r.Ours), r.Peer, r.Unit.cell(r.Theirs), r.Ratio.String(), r.Wanted.String(), string(r.Verdict()))
	if d := r.Difference; d != nil {
		f := r.Unit.format
		line += fmt.Sprintf("    the difference is %s (%s to %s)\n", f(d.Median), f(d.Low), f(d.High))
	}
	if r.Note != "" {
		line += "    " + r.Note + "\n"
	}
	_, err := io.WriteString(w, line)
	return err
}

func (u Unit) cell(v Value) string {
	cell := u.format(v.Value)
	if v.P99 > 0 {
		cell += ", p99 " + duration(v.P99)
	}
	if v.CPUPerRequest > 0 {
		cell += ", CPU " + duration(v.CPUPerRequest)
	}
	if v.CPUPerGiB > 0 {
		cell += fmt.Sprintf(", CPU %.2f s/GiB", v.CPUPerGiB)
	}
	return cell
}

func (s Spread) String() string {
	if s.Low == s.High {
		return fmt.Sprintf("%.2f", s.Median)
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", s.Median, s.Low, s.High)
}

func (b Bound) String() string {
	switch {
	case b.AtLeast > 0:
		return fmt.Sprintf("≥ %.2f", b.AtLeast)
	case b.AtMost > 0:
		return fmt.Sprintf("≤ %.2f", b.AtMost)
	}
	return "-"
}

// Summary is the last line.
func (r Report) Summary() string {
	short := r.Count(Short)
	s := fmt.Sprintf("%d figures: %d as wanted, %d short, %d beside which nothing was wanted; %d CPUs, %s",
		len(r.Rows), r.Count(OK), short, r.Count(None), r.Machine.CPUs, r.Machine.Go)
	if r.Smoke {
		s += "; a smoke run, so none of them counts"
	}
	return s
}

// WriteJSON writes the whole report as one JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	type row struct {
		Row
		Verdict Verdict `json:"verdict"`
	}
	rows := make([]row, 0, len(r.Rows))
	for _, one := range r.Rows {
		rows = append(rows, row{one, one.Verdict()})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Report
		Rows []row `json:"rows"`
	}{r, rows})
}

// Read reads what WriteJSON has written.
func Read(from io.Reader) (Report, error) {
	var r Report
	if err := json.NewDecoder(from).Decode(&r); err != nil {
		return r, fmt.Errorf("read a report: %w", err)
	}
	return r, nil
}
