package federate_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/federate/issuertest"
)

// A token is taken whatever its issuer signs with, and says who it is.
func TestOIDC(t *testing.T) {
	issuer, clock := issuertest.New(t), &clock{}
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.RS256, jose.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			issuer.Rotate(alg)
			provider := federate.OIDC(clock.options())
			got, err := provider.Login(t.Context(), oidc(issuer.Token(job(map[string]any{"ref": "main"}))), trusting(t, issuer))
			if err != nil {
				t.Fatal(err)
			}
			if want := "issuer:ci/job:7"; got.Principal.String() != want || got.Principal.Kind != access.Issuer {
				t.Errorf("got %s, want %s", got.Principal, want)
			}
			if got.Claims["ref"] != "main" || got.Claims["iss"] != issuer.URL {
				t.Errorf("got claims %v", got.Claims)
			}
			if left := time.Until(got.Until); left < 5*time.Minute || left > 6*time.Minute {
				t.Errorf("the identity ends in %s, want what is left of five minutes, and the skew", left)
			}
		})
	}
}

func TestOIDCTakesOneUser(t *testing.T) {
	provider := federate.OIDC(federate.Options{})
	for user, want := range map[string]bool{"oidc": true, "OIDC": false, "aws": false, "": false, "robot-oidc": false} {
		if got := provider.Takes(user); got != want {
			t.Errorf("takes %q: got %t, want %t", user, got, want)
		}
	}
}

// What is meant for others, or for another time, is refused, whoever signed it.
func TestOIDCClaims(t *testing.T) {
	issuer, clock, now := issuertest.New(t), &clock{}, time.Now().Unix()
	provider, policy := federate.OIDC(clock.options()), trusting(t, issuer)
	for _, test := range []struct {
		name   string
		claims map[string]any
		want   string // empty: taken
	}{
		{"as it should be", nil, ""},
		{"one audience of several", map[string]any{"aud": []string{"other", registry}}, ""},
		{"another audience", map[string]any{"aud": "registry.example.org"}, "not for this registry"},
		{"an audience that begins alike", map[string]any{"aud": registry + ".example.org"}, "not for this registry"},
		{"no audience", map[string]any{"aud": nil}, "not for this registry"},
		{"an empty list of audiences", map[string]any{"aud": []string{}}, "not for this registry"},
		{"an audience that is no text", map[string]any{"aud": map[string]any{registry: registry}}, "verify token"},
		{"another case", map[string]any{"aud": "Registry.example.com"}, "not for this registry"},

		{"just over", map[string]any{"exp": now - 50}, ""},
		{"over", map[string]any{"exp": now - 70}, "expired"},
		{"for ever", map[string]any{"exp": nil}, "expired, or never does"},
		{"an end that is a text", map[string]any{"exp": "tomorrow"}, "verify token"},
		{"an end beyond all times", map[string]any{"exp": 1e30}, "no time"},
		{"an end before all times", map[string]any{"exp": -1}, "no time"},
		{"not yet, but soon", map[string]any{"nbf": now + 50}, ""},
		{"not yet", map[string]any{"nbf": now + 70}, "nbf is in the future"},
		{"no beginning", map[string]any{"nbf": nil}, ""},
		{"made in the future", map[string]any{"iat": now + 70}, "iat is in the future"},
		{"made at no time", map[string]any{"iat": nil}, ""},

		{"no subject", map[string]any{"sub": nil}, "subject"},
		{"an empty subject", map[string]any{"sub": ""}, "subject"},
		{"a subject of two lines", map[string]any{"sub": "job:7\njob:8"}, "subject"},
		{"a long subject", map[string]any{"sub": strings.Repeat("a", 1025)}, "subject"},

		{"no issuer", map[string]any{"iss": nil}, "does not name the issuer"},
		{"an issuer that nobody trusts", map[string]any{"iss": "https://issuer.example.com"}, "does not name the issuer"},
		{"nearly the issuer", map[string]any{"iss": issuer.URL + "/"}, "does not name the issuer"},
		{"two issuers in different letters", map[string]any{"ISS": "https://issuer.example.com"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			token := issuer.Token(job(test.claims))
			_, err := provider.Login(t.Context(), oidc(token), policy)
			if test.want != "" {
				wantRefused(t, err, test.want, token)
			} else if err != nil {
				t.Errorf("got error %v, want it taken", err)
			}
		})
	}
}

// The audiences of an issuer take the place of the policy's.
func TestOIDCAudiencesOfAnIssuer(t *testing.T) {
	issuer, clock := issuertest.New(t), &clock{}
	policy := compiled(t, &access.Policy{
		Audiences: []string{registry},
		Issuers:   []access.Trust{{Name: "ci", URL: issuer.URL, Audiences: []string{"berth"}}},
	})
	provider := federate.OIDC(clock.options())
	if _, err := provider.Login(t.Context(), oidc(issuer.Token(job(map[string]any{"aud": "berth"}))), policy); err != nil {
		t.Error(err)
	}
	token := issuer.Token(job(nil))
	_, err := provider.Login(t.Context(), oidc(token), policy)
	wantRefused(t, err, "not for this registry", token)
}

// Whoever is no issuer cannot make a token, by whatever trick.
func TestOIDCForgeries(t *testing.T) {
	issuer, stranger, clock := issuertest.New(t), issuertest.New(t), &clock{}
	issuer.Rotate(jose.RS256)
	provider, policy := federate.OIDC(clock.options()), trusting(t, issuer)
	good := issuer.Token(job(nil))
	parts := strings.Split(good, ".")
	public, err := x509.MarshalPKIXPublicKey(issuer.Key().Key.(*rsa.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, token, want string }{
		{"signed by a stranger", stranger.Token(job(map[string]any{"iss": issuer.URL})), "verify token"},
		{"the stranger's own", stranger.Token(job(nil)), "does not name the issuer"},
		{"no signature", parts[0] + "." + parts[1] + ".", "verify token"},
		{"two parts", parts[0] + "." + parts[1], "read token"},
		{"alg none", header(t, map[string]any{"alg": "none"}) + "." + parts[1] + ".", "read token"},
		{"the public key as an HMAC's", hmac(t, public, parts[1]), "read token"},
		{"another payload", parts[0] + "." + encode(`{"iss":"`+issuer.URL+`","sub":"root"}`) + "." + parts[2], "verify token"},
		{"not a token", "letmein", "read token"},
		{"nothing", "", "read token"},
		{"the form with braces", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, "read token"},
		{"too large", issuer.Token(job(map[string]any{"more": strings.Repeat("a", 16<<10)})), "at most 16384"},
		{"claims that are a list", issuer.Sign([]byte(`["iss"]`)), "not a JSON object"},
		{"claims that are null", issuer.Sign([]byte(`null`)), "does not name the issuer"},
		{"a key of its own", embedded(t, stranger, issuer.URL), "verify token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := provider.Login(t.Context(), oidc(test.token), policy)
			wantRefused(t, err, test.want, test.token)
		})
	}
	if _, err := provider.Login(t.Context(), oidc(good), policy); err != nil {
		t.Errorf("the token that all this was made of: %v", err)
	}
}

// The policy in force decides, not the one of the login before.
func TestOIDCPolicyCountsAtOnce(t *testing.T) {
	issuer, clock := issuertest.New(t), &clock{}
	provider, token := federate.OIDC(clock.options()), issuer.Token(job(nil))
	if _, err := provider.Login(t.Context(), oidc(token), trusting(t, issuer)); err != nil {
		t.Fatal(err)
	}
	_, err := provider.Login(t.Context(), oidc(token), compiled(t, &access.Policy{Audiences: []string{registry}}))
	wantRefused(t, err, "does not name the issuer", token)
	_, err = provider.Login(t.Context(), oidc(token), compiled(t, &access.Policy{
		Audiences: []string{"registry.example.org"},
		Issuers:   []access.Trust{{Name: "ci", URL: issuer.URL}},
	}))
	wantRefused(t, err, "not for this registry", token)
	renamed := trusting(t, issuer)
	renamed.Issuers[0].Name = "builds"
	got, err := provider.Login(t.Context(), oidc(token), compiled(t, renamed))
	if err != nil || got.Principal.Name != "builds" {
		t.Errorf("got %s, %v, want the new name", got.Principal, err)
	}
}

// FuzzToken has nothing be taken that the issuer has not signed.
func FuzzToken(f *testing.F) {
	issuer, clock := issuertest.New(f), &clock{}
	provider, policy := federate.OIDC(clock.options()), trusting(f, issuer)
	good := issuer.Token(job(nil))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("a.b.c")
	f.Add(header(f, map[string]any{"alg": "ES256", "kid": "key-1", "crit": []string{"b64"}, "b64": false}) + ".e30.AAAA")
	signed := strings.Split(good, ".")[:2]
	f.Fuzz(func(t *testing.T, token string) {
		_, err := provider.Login(t.Context(), oidc(token), policy)
		if err == nil && !slices.Equal(strings.Split(token, ".")[:2], signed) {
			t.Errorf("%q was taken", token)
		}
	})
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func header(t testing.TB, fields map[string]any) string {
	t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return encode(string(text))
}

// hmac is a token signed with HS256 by a key that everybody knows.
func hmac(t *testing.T, key []byte, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, signer, text)
}

// embedded is a token that brings the key to verify it with.
func embedded(t *testing.T, stranger *issuertest.Issuer, issuer string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: stranger.Key().Key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(job(map[string]any{"iss": issuer, "exp": time.Now().Unix() + 300}))
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, signer, text)
}

func sign(t *testing.T, signer jose.Signer, payload []byte) string {
	t.Helper()
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
