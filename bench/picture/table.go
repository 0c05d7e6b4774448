package picture

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Table writes the savings as a table in Markdown.
func Table(savings []Saving) string {
	var b strings.Builder
	b.WriteString("| header off → on | requests for referrers | all requests | bytes |")
	trips := savings[0].RoundTrips()
	for _, ms := range trips {
		fmt.Fprintf(&b, " time, + %d ms |", ms)
	}
	b.WriteString("\n" + strings.Repeat("|---", 4+len(trips)) + "|\n")
	for _, s := range savings {
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f → %.2f MiB |", s.Copier, counts(s.Referrers), counts(s.Requests), s.Bytes.Off/(1<<20), s.Bytes.On/(1<<20))
		for _, ms := range trips {
			p := s.Seconds[ms]
			fmt.Fprintf(&b, " %s → %s |", seconds(p.Off), seconds(p.On))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func counts(p Pair) string {
	return fmt.Sprintf("%.0f → %.0f (%s)", p.Off, p.On, percent(p))
}

// percent is how much less or more something is with the header.
func percent(p Pair) string {
	less, sign := 100*p.Less(), "−"
	if less < 0 {
		less, sign = -less, "+"
	}
	if less < 10 {
		return fmt.Sprintf("%s%.1f %%", sign, less)
	}
	return fmt.Sprintf("%s%.0f %%", sign, less)
}

func seconds(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// What is between these lines of the README is written by a program.
const (
	begin = "<!-- what scripts/saving has measured -->\n"
	end   = "<!-- until here -->\n"
)

// Splice puts the table into the text of the README, in the place of the one
// that it has.
func Splice(readme []byte, table string) ([]byte, error) {
	before, rest, ok := bytes.Cut(readme, []byte(begin))
	if !ok {
		return nil, errors.New("the README has no place for the table")
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, errors.New("in the README the place for the table has no end")
	}
	return bytes.Join([][]byte{before, []byte(begin), []byte(table), []byte(end), after}, nil), nil
}
