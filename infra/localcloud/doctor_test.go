package main

import (
	"net/http"
	"net/url"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// What berth doctor says of the real functions: all is as assumed, but for what
// it cannot try.
func TestDoctorHasNothingToSay(t *testing.T) {
	hasNothingToSay(t, examine(t, newCloud(t), nil))
}

// A registry that asks who somebody is gives its tokens to who has credentials,
// and is examined as any other.
func TestDoctorLogsIn(t *testing.T) {
	cl := newCloud(t, guarded(t))
	user, secret := cl.robot(t, "root").userAndSecret()
	credential := auth.Credential{Username: user, Password: secret}
	report := examine(t, cl, &credential)
	hasNothingToSay(t, report)
	for _, f := range report.Findings {
		if f.Name == "login" && f.Seen != "/token answers" {
			t.Errorf("%s: %s", f.Assumption, f.Seen)
		}
	}
}

func hasNothingToSay(t *testing.T, report checkup.Report) {
	t.Helper()
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
	if n := examine(t, newCloud(t, deviate), nil).NeedCare(); n == 0 {
		t.Error("a gateway that keeps lengths goes unnoticed")
	}
	obey := func(cfg *config) { cfg.parameters["HeadLength"] = "kept" }
	for _, f := range examine(t, newCloud(t, deviate, obey), nil).Findings {
		if f.Verdict == checkup.Broken || f.Verdict == checkup.Differs {
			t.Errorf("%s: %s, %s", f.Assumption, f.Verdict, f.Seen)
		}
	}
}

// examine is berth doctor, with what docker login has noted, if anything.
func examine(t *testing.T, cl *cloud, known *auth.Credential) checkup.Report {
	t.Helper()
	where, err := url.Parse(cl.registryURL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	examined := checkup.Config{URL: where, Repository: "berth-doctor/probe", Client: client, Anonymous: client}
	ctx := t.Context()
	if known != nil {
		examined.Client = &auth.Client{Client: client, Cache: auth.NewCache(), Credential: auth.StaticCredential(where.Host, *known)}
		ctx = auth.AppendScopesForHost(ctx, where.Host, auth.ScopeRepository(examined.Repository, "pull", "push", "delete"))
	}
	report, err := checkup.Examine(ctx, examined)
	if err != nil {
		t.Fatal(err)
	}
	return report
}
