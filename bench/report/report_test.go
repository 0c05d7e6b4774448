package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berthregistry/berth/bench/report"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   report.Spread
	}{
		{[]float64{3}, report.Spread{Median: 3, Low: 3, High: 3}},
		{[]float64{4, 1}, report.Spread{Median: 2.5, Low: 1, High: 4}},
		{[]float64{9, 1, 2}, report.Spread{Median: 2, Low: 1, High: 9}},
	} {
		if got := report.Of(c.values); got != c.want {
			t.Errorf("Of(%v): got %v, want %v", c.values, got, c.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		ratio float64
		bound report.Bound
		want  report.Verdict
	}{
		{0.1, report.Bound{}, report.None},
		{0.6, report.Bound{AtLeast: 0.6}, report.OK},
		{0.59, report.Bound{AtLeast: 0.6}, report.Short},
		{1.5, report.Bound{AtMost: 1.5}, report.OK},
		{1.51, report.Bound{AtMost: 1.5}, report.Short},
	} {
		r := report.Row{Ratio: report.Of([]float64{c.ratio}), Wanted: c.bound}
		if got := r.Verdict(); got != c.want {
			t.Errorf("%v beside %v: got %s, want %s", c.ratio, c.bound, got, c.want)
		}
	}
}

var rows = []report.Row{
	{
		Figure: "manifest", Case: "manifest GET", Unit: report.PerSecond,
		Ours: report.Value{Value: 12345, P99: 0.000_25, CPUPerRequest: 0.000_03}, Peer: "bare", Theirs: report.Value{Value: 20000, P99: 0.001_5},
		Ratio: report.Spread{Median: 0.62, Low: 0.6, High: 0.7}, Wanted: report.Bound{AtLeast: 0.6},
	},
	{
		Figure: "blob", Case: "blob GET", Unit: report.Bandwidth,
		Ours: report.Value{Value: 3 << 30, CPUPerGiB: 0.25}, Peer: "zot", Theirs: report.Value{Value: 1 << 29},
		Ratio: report.Of([]float64{6}), Wanted: report.Bound{AtLeast: 7},
	},
	{
		Figure: "referrers", Case: "all of 10", Unit: report.Seconds,
		Ours: report.Value{Value: 0.0345}, Peer: "olareg", Theirs: report.Value{Value: 1.5},
		Ratio: report.Of([]float64{0.02}), Difference: &report.Spread{Median: -1.4655, Low: -2, High: 0.000_02}, Note: "as the note says",
	},
	{
		Figure: "memory", Case: "16 pushes", Unit: report.Bytes,
		Ours: report.Value{Value: 64 << 20}, Peer: "the limit", Theirs: report.Value{Value: 12 << 30},
		Ratio: report.Of([]float64{0.5}), Wanted: report.Bound{AtMost: 1},
	},
	{
		Figure: "event", Case: "allocations", Unit: report.Count,
		Ours: report.Value{Value: 1234}, Peer: "the limit", Theirs: report.Value{Value: 5},
		Ratio: report.Of([]float64{246.8}),
	},
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := report.WriteHead(&b); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := r.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	want := `
figure                                 ours                              peer          theirs                            ratio (low-high)    wanted  verdict
manifest GET                           12,345/s, p99 250 µs, CPU 30 µs   bare          20,000/s, p99 1.50 ms             0.62 (0.60-0.70)    ≥ 0.60  ok
blob GET                               3,072 MiB/s, CPU 0.25 s/GiB       zot           512 MiB/s                         6.00                ≥ 7.00  short
all of 10                              34 ms                             olareg        1.50 s                            0.02                -       -
    the difference is -1.47 s (-2.00 s to 20 µs)
    as the note says
16 pushes                              64 MiB                            the limit     12.0 GiB                          0.50                ≤ 1.00  ok
allocations                            1,234                             the limit     5                                 246.80              -       -
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestJSONSaysTheVerdicts(t *testing.T) {
	var b strings.Builder
	if err := (report.Report{Rows: rows}).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rows []struct {
			Figure, Verdict string
			Ratio           struct{ Median float64 }
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != len(rows) {
		t.Fatalf("got %d rows, want %d", len(got.Rows), len(rows))
	}
	for i, want := range []string{"ok", "short", "-", "ok", "-"} {
		if r := got.Rows[i]; r.Verdict != want || r.Figure != rows[i].Figure || r.Ratio.Median != rows[i].Ratio.Median {
			t.Errorf("row %d: got %+v, want verdict %s", i, r, want)
		}
	}
}

func TestSummaryCounts(t *testing.T) {
	got := report.Report{Rows: rows, Smoke: true}.Summary()
	for _, want := range []string{"5 figures: 2 as wanted, 1 short, 2 beside which", "none of them counts"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}
