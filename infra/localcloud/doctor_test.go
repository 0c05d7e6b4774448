package main

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// What berth doctor says of the real functions: all is as assumed, but for what
// it cannot try.
func TestDoctorHasNothingToSay(t *testing.T) {
	report := examine(t, newCloud(t))
	for _, f := range report.Findings {
		if f.Verdict != checkup.OK && f.Verdict != checkup.Skipped {
			t.Errorf("%s: %s, %s", f.Assumption, f.Verdict, f.Seen)
		}
	}
	if n := report.Count(checkup.Skipped); n != 1 {
		t.Errorf("%d things were skipped, want throttling alone", n)
	}
	if !report.Gateway {
		t.Error("the gateway was not seen")
	}
}

// Each way in which the gateway may deviate is tried in package checkup; that
// it shows through the real functions too, once here. What is then to be set is
// set, and all is well again.
func TestDoctorSaysWhatToSet(t *testing.T) {
	deviate := func(cfg *config) { cfg.deviations = httpapi.Deviations{KeepContentLength: true} }
	if n := examine(t, newCloud(t, deviate)).NeedCare(); n == 0 {
		t.Error("a gateway that keeps lengths goes unnoticed")
	}
	obey := func(cfg *config) { cfg.parameters["HeadLength"] = "kept" }
	for _, f := range examine(t, newCloud(t, deviate, obey)).Findings {
		if f.Verdict == checkup.Broken || f.Verdict == checkup.Differs {
			t.Errorf("%s: %s, %s", f.Assumption, f.Verdict, f.Seen)
		}
	}
}

func examine(t *testing.T, cl *cloud) checkup.Report {
	t.Helper()
	where, err := url.Parse(cl.registryURL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	report, err := checkup.Examine(t.Context(), checkup.Config{
		URL: where, Repository: "berth-doctor/probe", Client: client, Anonymous: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}
