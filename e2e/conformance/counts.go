package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
)

// report is the part of a junit.xml that both suites write.
type report struct {
	Suites []struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Disabled int `xml:"disabled,attr"`
		Cases    []struct {
			Name   string `xml:"name,attr"`
			Status string `xml:"status,attr"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func readReport(file string) (report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return report{}, fmt.Errorf("read the report: %w", err)
	}
	var r report
	if err := xml.Unmarshal(text, &r); err != nil {
		return report{}, fmt.Errorf("read the report: %w", err)
	}
	return r, nil
}

// counts are what one run of a suite came to.
type counts struct {
	total, failed, skipped, disabled int
	notPassed                        []string // "status: name"
}

func (c counts) passed() int { return c.total - c.failed - c.skipped - c.disabled }

func (c counts) String() string {
	return fmt.Sprintf("%4d passed %3d failed %3d skipped %3d disabled of %4d",
		c.passed(), c.failed, c.skipped, c.disabled, c.total)
}

// countSpecs counts the cases of the v1.1.1 suite one by one: its totals
// include its own report writer.
func countSpecs(r report) counts {
	var c counts
	for _, s := range r.Suites {
		for _, spec := range s.Cases {
			if !strings.HasPrefix(spec.Name, "OCI Distribution Conformance Tests ") {
				continue
			}
			c.total++
			switch spec.Status {
			case "passed":
				continue
			case "skipped":
				c.skipped++
			default:
				c.failed++
			}
			c.notPassed = append(c.notPassed, spec.Status+": "+spec.Name)
		}
	}
	return c
}

// countTotals takes the totals of the main suite: its cases are only the
// leaves of what it counts.
func countTotals(r report) counts {
	var c counts
	for _, s := range r.Suites {
		c.total += s.Tests
		c.failed += s.Failures + s.Errors
		c.skipped += s.Skipped
		c.disabled += s.Disabled
		for _, leaf := range s.Cases {
			if leaf.Status != "passed" {
				c.notPassed = append(c.notPassed, leaf.Status+": "+leaf.Name)
			}
		}
	}
	return c
}

// want is what a mode must reach. Whatever is neither skipped nor disabled
// must have passed. More tests than total may have run: the suite of main
// counts what it tries.
type want struct{ total, skipped, disabled int }

// judge returns what is wrong with the counts.
func (w want) judge(got counts) []string {
	var faults []string
	if got.total < w.total {
		faults = append(faults, fmt.Sprintf("%d tests ran, want at least %d", got.total, w.total))
	}
	if got.failed > 0 {
		faults = append(faults, fmt.Sprintf("%d failed, want none", got.failed))
	}
	if got.skipped > w.skipped {
		faults = append(faults, fmt.Sprintf("%d skipped, want at most %d", got.skipped, w.skipped))
	}
	if got.disabled > w.disabled {
		faults = append(faults, fmt.Sprintf("%d disabled, want at most %d", got.disabled, w.disabled))
	}
	return faults
}
