package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	passed, failed int
	skipped        []string // package, test and reason
	broken         []string // packages that failed on the whole

	output map[string]string // by package and test, until it has ended
}

// read takes in all events and prints a line for each package that ends. What
// a failed test printed comes before it.
func (r *report) read(from io.Reader, to io.Writer) error {
	r.output = map[string]string{}
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
		r.passed++
	case "fail":
		r.failed++
		fmt.Fprint(to, r.output[name])
	case "skip":
		r.skipped = append(r.skipped, name+"\n"+r.output[name])
	}
}

func (r *report) print(to io.Writer) {
	for _, s := range r.skipped {
		fmt.Fprintln(to, "skipped:", strings.TrimSpace(s))
	}
	fmt.Fprintf(to, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
}

// verdict returns why the run must not count as passed, if so.
func (r *report) verdict(noSkips bool) error {
	switch {
	case len(r.broken) > 0:
		return fmt.Errorf("failed: %s", strings.Join(r.broken, ", "))
	case r.failed > 0:
		return fmt.Errorf("%d tests failed", r.failed)
	case r.passed == 0:
		return errors.New("no test ran")
	case noSkips && len(r.skipped) > 0:
		return fmt.Errorf("%d tests were skipped, and BERTH_TEST_REQUIRE is set", len(r.skipped))
	}
	return nil
}
