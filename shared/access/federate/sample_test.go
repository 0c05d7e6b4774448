package federate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/federate/issuertest"
)

// A sample is a token as one of the issuers makes it, and a policy that knows
// its claims.
type sample struct {
	file    string
	alg     jose.SignatureAlgorithm
	require string
	when    string
	subject string
	// claim with a value of which require, or when, does not hold.
	foreign, other map[string]any
}

var samples = []sample{
	{
		file: "github.json", alg: jose.RS256,
		require: `claims.repository_owner == "acme"`,
		when:    `claims.repository == "acme/app" && claims.ref == "refs/heads/main" && claims.environment == "production"`,
		subject: "repo:acme/app:environment:production",
		foreign: map[string]any{"repository_owner": "evil"},
		other:   map[string]any{"ref": "refs/heads/feature"},
	}, {
		file: "gitlab.json", alg: jose.RS256,
		require: `claims.namespace_path.startsWith("acme/")`,
		when:    `claims.project_path == "acme/tools/scanner" && claims.ref_protected == "true" && "acme" in claims.groups_direct`,
		subject: "project_path:acme/tools/scanner:ref_type:branch:ref:main",
		foreign: map[string]any{"namespace_path": "evil/acme"},
		other:   map[string]any{"groups_direct": nil}, // who is in no group has no such claim
	}, {
		file: "kubernetes.json", alg: jose.RS256,
		require: `claims["kubernetes.io"].namespace == "payments"`,
		when:    `subject == "system:serviceaccount:payments:builder" && has(claims["kubernetes.io"].pod)`,
		subject: "system:serviceaccount:payments:builder",
		foreign: map[string]any{"kubernetes.io": map[string]any{"namespace": "default"}},
		other:   map[string]any{"sub": "system:serviceaccount:payments:other"},
	}, {
		file: "aws.json", alg: jose.ES384,
		require: `claims["https://sts.amazonaws.com/"].org_id == "o-a1b2c3d4e5"`,
		when:    `claims["https://sts.amazonaws.com/"].principal_tags.team == "images"`,
		subject: "arn:aws:iam::123456789012:role/mirror",
		foreign: map[string]any{"https://sts.amazonaws.com/": map[string]any{"org_id": "o-other"}},
		other:   map[string]any{"https://sts.amazonaws.com/": map[string]any{"org_id": "o-a1b2c3d4e5"}},
	},
}

// Workloads log in with the tokens that they are given, and may do what rules
// over their claims allow.
func TestSamples(t *testing.T) {
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			issuer := issuertest.New(t)
			issuer.Rotate(s.alg)
			claims := s.claims(t, issuer.URL)
			made := time.Unix(int64(claims["iat"].(float64)), 0)
			provider := federate.OIDC(federate.Options{Now: func() time.Time { return made.Add(time.Minute) }})
			policy := s.policy(t, issuer.URL)

			got, err := provider.Login(t.Context(), oidc(issuer.Token(claims)), policy)
			if err != nil {
				t.Fatal(err)
			}
			if got.Principal.Subject != s.subject || got.Principal.Name != "ci" {
				t.Errorf("got %s, want the subject %s", got.Principal, s.subject)
			}
			if !policy.Decide(got.Principal, "team/app", access.Push).Allowed() {
				t.Error("may not push, though the rule's expression holds")
			}

			token := issuer.Token(changed(claims, s.foreign))
			_, err = provider.Login(t.Context(), oidc(token), policy)
			wantRefused(t, err, "evaluate claims", token)

			got, err = provider.Login(t.Context(), oidc(issuer.Token(changed(claims, s.other))), policy)
			if err != nil {
				t.Fatal(err)
			}
			if policy.Decide(got.Principal, "team/app", access.Push).Allowed() {
				t.Error("may push, though the rule's expression does not hold")
			}
		})
	}
}

// claims are those of the sample, from an issuer of these tests.
func (s sample) claims(t *testing.T, issuer string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "events", "oidc", s.file))
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return changed(claims, map[string]any{"iss": issuer})
}

func (s sample) policy(t *testing.T, issuer string) *access.Policy {
	t.Helper()
	text := fmt.Sprintf(`
audience: [registry.example.com]
issuers:
  - name: ci
    url: %s
    require: '%s'
rules:
  - allow: [push]
    to: [issuer:ci]
    when: '%s'
    repositories: [team/**]
`, issuer, s.require, s.when)
	policy, err := document.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}
