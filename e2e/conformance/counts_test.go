package main

import (
	"encoding/xml"
	"slices"
	"testing"
)

func parse(t *testing.T, text string) report {
	t.Helper()
	var r report
	if err := xml.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCountSpecs(t *testing.T) {
	got := countSpecs(parse(t, `<testsuites tests="5"><testsuite tests="5" skipped="1" failures="1">
		<testcase name="OCI Distribution Conformance Tests a" status="passed"/>
		<testcase name="OCI Distribution Conformance Tests b" status="skipped"/>
		<testcase name="OCI Distribution Conformance Tests c" status="failed"/>
		<testcase name="OCI Distribution Conformance Tests d" status="panicked"/>
		<testcase name="html custom reporter" status="passed"/>
	</testsuite></testsuites>`))
	if got.total != 4 || got.passed() != 1 || got.skipped != 1 || got.failed != 2 {
		t.Errorf("got %v, want 1 passed, 2 failed, 1 skipped of 4", got)
	}
	if len(got.notPassed) != 3 {
		t.Errorf("named as not passed: %q, want three", got.notPassed)
	}
}

func TestCountTotals(t *testing.T) {
	got := countTotals(parse(t, `<testsuites tests="10">
		<testsuite tests="10" failures="1" errors="2" skipped="1" disabled="1">
		<testcase name="leaf" status="passed"/>
		<testcase name="broken leaf" status="failure"/>
	</testsuite></testsuites>`))
	if got.total != 10 || got.failed != 3 || got.skipped != 1 || got.disabled != 1 || got.passed() != 5 {
		t.Errorf("got %v, want 5 passed, 3 failed, 1 skipped, 1 disabled of 10", got)
	}
	if want := []string{"failure: broken leaf"}; !slices.Equal(got.notPassed, want) {
		t.Errorf("named as not passed: %q, want %q", got.notPassed, want)
	}
}

func TestJudge(t *testing.T) {
	w := want{total: 10, skipped: 1, disabled: 2}
	tests := []struct {
		name   string
		got    counts
		faults int
	}{
		{"full score", counts{total: 10, skipped: 1, disabled: 2}, 0},
		{"more tests than expected", counts{total: 11}, 0},
		{"nothing ran", counts{}, 1},
		{"too few ran", counts{total: 9}, 1},
		{"one failed", counts{total: 10, failed: 1}, 1},
		{"too many skipped", counts{total: 10, skipped: 2}, 1},
		{"too many disabled", counts{total: 10, disabled: 3}, 1},
		{"all of it", counts{total: 9, failed: 1, skipped: 2, disabled: 3}, 4},
	}
	for _, tt := range tests {
		if got := w.judge(tt.got); len(got) != tt.faults {
			t.Errorf("%s: got faults %v, want %d", tt.name, got, tt.faults)
		}
	}
}
