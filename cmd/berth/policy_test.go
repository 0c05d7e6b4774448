package main

import (
	"strings"
	"testing"
	"time"
)

func TestPolicyIsTested(t *testing.T) {
	good := textFile(t, "good.yaml", accessPolicy+`tests:
  - {who: "robot:builder", action: push, repository: team/app, want: allow}
  - {who: anonymous, action: pull, repository: team/app, want: deny}
`)
	berth(t, "", "policy", "test", good).wants(t, 0, good+" is good\n")
	failing := textFile(t, "failing.yaml", accessPolicy+`tests:
  - {who: anonymous, action: pull, repository: public/app, want: deny}
`)
	berth(t, "", "policy", "test", failing).wants(t, 1, failing+":9:", "all see what is public")
	slip := textFile(t, "slip.yaml", "rules:\n  - {alow: [pull]}\n")
	berth(t, "", "policy", "test", slip).wants(t, 1, slip+":2:6")
	berth(t, "", "policy", "set", slip, "--registry", "127.0.0.1:1").wants(t, 1, slip+":2:6") // before anything is sent
	berth(t, "", "policy", "test", slip+"x").wants(t, 2, "no such file")
}

func TestPolicyIsExplained(t *testing.T) {
	policy := textFile(t, "policy.yaml", accessPolicy)
	claims := textFile(t, "claims.json", `{"sub":"repo:acme/app","owner":"acme"}`)
	federated := textFile(t, "federated.yaml", `audience: [registry.test]
issuers:
  - {name: ci, url: "https://issuer.test", require: 'claims.owner == "acme"'}
rules:
  - {name: ci pulls, allow: [pull], to: ["issuer:ci"], repositories: [team/**], tags: [release-*]}
`)
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{policy + " --who robot:builder --action push --repository team/app", 0, "builders push"},
		{policy + " --who robot:other --group builders --action push --repository team/app", 0, "builders push"},
		{policy + " --who user:alice --action pull --repository public/app --tag 1", 0, "all see what is public"},
		{policy + " --who user:alice --action pull --repository private/app", 0, "denied"},
		{policy + " --who user:root --action admin", 0, "administration"},
		{federated + " --who issuer:ci --claims " + claims + " --action pull --repository team/app --tag release-1", 0, "ci pulls"},
		{federated + " --who issuer:ci --action pull --repository team/app --tag release-1", 1, "could not log in"},
		{policy + " --who alice --action pull --repository a", 1, "--who: "},
		{policy + " --who user:alice --action fly --repository a", 2, `must be one of "pull"`},
		{policy + " --who user:alice --action pull", 1, "--repository is missing"},
		{policy + " --who user:alice --action pull --repository Public/app", 1, "is no name of a repository"},
		{policy + " --who user:alice --action pull --repository public/app --tag .x", 1, "is no tag"},
		{policy + " --who user:root --action admin --repository public/app", 1, "about the whole registry"},
		{policy + " --registry r.test --who user:alice --action pull --repository a", 1, "say which policy"},
		{"--who user:alice --action pull --repository a", 1, "say which policy"},
	} {
		args := append([]string{"policy", "explain"}, strings.Fields(c.args)...)
		berth(t, "", args...).wants(t, c.status, c.says)
	}
}

func TestWhenAKeyEnds(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"90d": now.AddDate(0, 0, 90), "12h": now.Add(12 * time.Hour), "never": {},
		"2027-01-31": time.Date(2027, 1, 31, 0, 0, 0, 0, time.Local),
	} {
		if got, err := parseExpiry(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0d", "-1d", "d", "90", "90w", "1e3d", "99999999999999999999d", "40000d", "2026-11-20", "2026-13-01", " 9d"} {
		if got, err := parseExpiry(text, now); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
