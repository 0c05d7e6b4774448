package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/berthregistry/berth/cmd/berth/checkup"
)

// print writes a report, as JSON or for people.
func (c *doctor) print(t terminal, r checkup.Report) error {
	if c.JSON {
		out := json.NewEncoder(t.out)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		return out.Encode(r)
	}
	return drawReport(t.out, r)
}

// drawReport writes a line for each finding, in columns, and one that sums up.
func drawReport(w io.Writer, r checkup.Report) error {
	rows := [][]string{{"ASSUMPTION", "SEEN", "VERDICT", "WHAT TO DO"}}
	for _, f := range r.Findings {
		rows = append(rows, []string{f.Assumption, clean(f.Seen), string(f.Verdict), f.Advice})
	}
	widest := make([]string, 3)
	for _, row := range rows {
		for i := range widest {
			widest[i] = wider(widest[i], row[i])
		}
	}
	var out strings.Builder
	front := "no API Gateway in front"
	if r.Gateway {
		front = "behind API Gateway"
	}
	fmt.Fprintf(&out, "%s, %s\n", r.Registry, front)
	for _, row := range rows {
		line := pad(row[0], widest[0]) + "  " + pad(row[1], widest[1]) + "  " + pad(row[2], widest[2]) + "  " + row[3]
		fmt.Fprintln(&out, strings.TrimRight(line, " "))
	}
	fmt.Fprintln(&out, sum(r))
	_, err := io.WriteString(w, out.String())
	return err
}

// sum is the last line.
func sum(r checkup.Report) string {
	line := fmt.Sprintf("ok %d, differs %d, broken %d, skipped %d: ",
		r.Count(checkup.OK), r.Count(checkup.Differs), r.Count(checkup.Broken), r.Count(checkup.Skipped))
	switch n := r.NeedCare(); n {
	case 0:
		return line + "nothing to do"
	case 1:
		return line + "one finding asks for something to be done"
	default:
		return line + fmt.Sprintf("%d findings ask for something to be done", n)
	}
}
