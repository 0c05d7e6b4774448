package main

import (
	"strings"
	"testing"
)

const (
	passing = `{"Action":"run","Package":"p","Test":"TestA"}
		{"Action":"output","Package":"p","Test":"TestA","Output":"noise of A\n"}
		{"Action":"pass","Package":"p","Test":"TestA"}
		{"Action":"output","Package":"p","Output":"PASS\n"}
		{"Action":"pass","Package":"p","Elapsed":1.25}
		`
	skipping = `{"Action":"output","Package":"p","Test":"TestB","Output":"    no service\n"}
		{"Action":"skip","Package":"p","Test":"TestB"}
		`
	passingAgain = `{"Action":"pass","Package":"p","Test":"TestB"}
		`
	failing = `{"Action":"output","Package":"q","Test":"TestC","Output":"    got 1, want 2\n"}
		{"Action":"fail","Package":"q","Test":"TestC"}
		{"Action":"output","Package":"q","Output":"FAIL\tq\n"}
		{"Action":"fail","Package":"q"}
		`
	notCompiling = `{"Action":"build-output","ImportPath":"r","Output":"r.go:1: undefined\n"}
		{"Action":"build-fail","ImportPath":"r"}
		{"Action":"output","Package":"r","Output":"FAIL r [build failed]\n"}
		{"Action":"fail","Package":"r","FailedBuild":"r"}
		`
	withoutTests = `{"Action":"output","Package":"s","Output":"?   s [no test files]\n"}
		{"Action":"skip","Package":"s"}
		`
)

func TestReport(t *testing.T) {
	tests := []struct {
		name, events string
		noSkips      bool
		says         []string
		fails        bool
	}{
		{"passing", passing, true, []string{"ok    p ", "1 passed, 0 failed, 0 skipped"}, false},
		{"nothing", "", false, []string{"0 passed"}, true},
		{"no test files", withoutTests, false, []string{"0 passed, 0 failed, 0 skipped"}, true},
		{"skip allowed", passing + skipping, false, []string{"skipped: p TestB\n    no service\n", "1 skipped"}, false},
		{"skip refused", passing + skipping, true, []string{"1 skipped"}, true},
		{"skipped once, passed once", skipping + passingAgain, true, []string{"1 passed, 0 failed, 0 skipped"}, false},
		{"passed once, skipped once", passingAgain + skipping, true, []string{"1 passed, 0 failed, 0 skipped"}, false},
		{"failing", passing + failing, false, []string{"got 1, want 2", "1 passed, 1 failed"}, true},
		{"not compiling", passing + notCompiling, false, []string{"r.go:1: undefined", "[build failed]"}, true},
	}
	for _, tt := range tests {
		r := newReport()
		var out strings.Builder
		if err := r.read(strings.NewReader(tt.events), &out); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		r.print(&out)
		for _, want := range tt.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: got %q, want it to contain %q", tt.name, out.String(), want)
			}
		}
		if strings.Contains(out.String(), "noise of A") {
			t.Errorf("%s: prints the output of a test that passed", tt.name)
		}
		if err := r.verdict(tt.noSkips); (err != nil) != tt.fails {
			t.Errorf("%s: got verdict %v, want failure %v", tt.name, err, tt.fails)
		}
	}
}

func TestReportOfGarbage(t *testing.T) {
	r := newReport()
	if err := r.read(strings.NewReader("go: cannot find main module"), &strings.Builder{}); err == nil {
		t.Error("got no error for what is not JSON")
	}
}
