package picture_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/berthregistry/berth/bench/picture"
	"github.com/berthregistry/berth/bench/report"
)

func row(copier, what, at string, on, off float64) report.Row {
	return report.Row{Figure: "saving", Case: copier + ": " + what + ", " + at, Ours: report.Value{Value: on}, Theirs: report.Value{Value: off}}
}

// sample is a report of two copiers on two lines, with rows that say something
// else.
func sample() report.Report {
	r := report.Report{Rows: []report.Row{{Figure: "tags", Case: "tags: page, 1 ms"}}}
	for i, copier := range []string{"berth copy", "a <tool>"} {
		n := float64(i)
		r.Rows = append(r.Rows,
			row(copier, "referrers", "0 ms", 35+n, 78), row(copier, "requests", "0 ms", 570, 613),
			row(copier, "bytes", "0 ms", 4<<20, 4<<20), row(copier, "time", "0 ms", 0.5, 0.25),
			row(copier, "referrers", "100 ms", 40, 79), row(copier, "time", "100 ms", 9.5, 12),
		)
	}
	r.Rows = append(r.Rows, report.Row{Figure: "saving", Case: "berth copy: requests that need not be made"})
	return r
}

func savings(t *testing.T) []picture.Saving {
	t.Helper()
	got, err := picture.Of(sample())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOf(t *testing.T) {
	got := savings(t)
	if len(got) != 2 || got[0].Copier != "berth copy" || got[1].Copier != "a <tool>" {
		t.Fatalf("got %+v", got)
	}
	if want := (picture.Pair{Off: 79, On: 40}); got[1].Referrers != want {
		t.Errorf("referrers: got %+v, want %+v, which are those of the line on which least was saved", got[1].Referrers, want)
	}
	if want := (picture.Pair{Off: 12, On: 9.5}); got[0].Seconds[100] != want || len(got[0].Seconds) != 2 {
		t.Errorf("times: got %+v", got[0].Seconds)
	}
}

func TestNothingToShow(t *testing.T) {
	smoke, other, odd := sample(), report.Report{Rows: sample().Rows[:1]}, sample()
	smoke.Smoke = true
	odd.Rows = append(odd.Rows, row("x", "colour", "0 ms", 1, 1))
	for name, r := range map[string]report.Report{"smoke": smoke, "other": other, "odd": odd, "empty": {}} {
		if got, err := picture.Of(r); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestTable(t *testing.T) {
	want := `| header off → on | requests for referrers | all requests | bytes | time, + 0 ms | time, + 100 ms |
|---|---|---|---|---|---|
| berth copy | 79 → 40 (−49 %) | 613 → 570 (−7.0 %) | 4.00 → 4.00 MiB | 0.25 s → 0.50 s | 12.0 s → 9.50 s |
`
	if got := picture.Table(savings(t)[:1]); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestSplice(t *testing.T) {
	const readme = "# A\n<!-- what scripts/saving has measured -->\nold\n<!-- until here -->\nB\n"
	got, err := picture.Splice([]byte(readme), "new\n")
	if want := strings.Replace(readme, "old", "new", 1); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if again, err := picture.Splice(got, "new\n"); err != nil || string(again) != string(got) {
		t.Errorf("again: got %q, %v", again, err)
	}
	for _, broken := range []string{"# A\n", readme[:50]} {
		if got, err := picture.Splice([]byte(broken), "new\n"); err == nil {
			t.Errorf("%q became %q", broken, got)
		}
	}
}

// The drawing is well-formed and shows every copier.
func TestDraw(t *testing.T) {
	svg, err := picture.Draw(savings(t))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	rects, tokens := 0, xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := tokens.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "rect" {
				rects++
			}
		case xml.CharData:
			text.Write(token)
		}
	}
	if want := 2 + 2*4; rects != want {
		t.Errorf("got %d rectangles, want %d", rects, want)
	}
	for _, want := range []string{"berth copy", "a <tool>", "40: −7.0 % of all 613 requests", "12.0 s", "100 ms added"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}
