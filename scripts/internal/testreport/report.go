package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // instead of Package where a build failed
	Test       string // empty for what concerns the package
	Output     string
	Elapsed    float64 // seconds
}

// report gathers the events of a run.
type report struct {
	passed  map[string]bool   // by package and test
	failed  int               // tests
	broken  []string          // packages
	skipped map[string]string // what it said, by package and test

	output map[string]string // by package and test, until it has ended
}

func newReport() *report {
	return &report{passed: map[string]bool{}, skipped: map[string]string{}, output: map[string]string{}}
}

// read takes in all events and prints a line for each package that ends. What
// a failed test printed comes before it.
func (r *report) read(from io.Reader, to io.Writer) error {
	events := json.NewDecoder(from)
	for {
		var e event
		err := events.Decode(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
		r.add(e, to)
	}
}

func (r *report) add(e event, to io.Writer) {
	name := e.Package + e.ImportPath
	if e.Test != "" {
		name += " " + e.Test
	}
	switch e.Action {
	case "output":
		r.output[name] += e.Output
		return
	case "build-output":
		fmt.Fprint(to, e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return // start, run, pause, cont
	}
	switch {
	case e.Test != "":
		r.endTest(e, name, to)
	case e.Action == "fail":
		r.broken = append(r.broken, name)
		fmt.Fprint(to, r.output[name])
	case e.Action == "pass":
		fmt.Fprintf(to, "ok    %-60s %6.1fs\n", e.Package, e.Elapsed)
	}
	delete(r.output, name)
}

func (r *report) endTest(e event, name string, to io.Writer) {
	switch e.Action {
	case "pass":
		r.passed[name] = true
	case "fail":
		r.failed++
		fmt.Fprint(to, r.output[name])
	case "skip":
		r.skipped[name] = r.output[name]
	}
}

// neverRun names the tests that were skipped and passed in no run. Under the
// race detector some skip that pass without it.
func (r *report) neverRun() []string {
	var names []string
	for name := range r.skipped {
		if !r.passed[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (r *report) print(to io.Writer) {
	for _, name := range r.neverRun() {
		fmt.Fprintf(to, "skipped: %s\n%s", name, r.skipped[name])
	}
	fmt.Fprintf(to, "%d passed, %d failed, %d skipped\n", len(r.passed), r.failed, len(r.neverRun()))
}

// verdict returns why the run must not count as passed, if so.
func (r *report) verdict(noSkips bool) error {
	switch {
	case len(r.broken) > 0:
		return fmt.Errorf("failed: %s", strings.Join(r.broken, ", "))
	case r.failed > 0:
		return fmt.Errorf("%d tests failed", r.failed)
	case len(r.passed) == 0:
		return errors.New("no test ran")
	case noSkips && len(r.neverRun()) > 0:
		return fmt.Errorf("%d tests were skipped, and BERTH_TEST_REQUIRE is set", len(r.neverRun()))
	}
	return nil
}
