package federate_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/federate/issuertest"
	"github.com/berthregistry/berth/shared/access/login"
)

// A gate is a provider with an issuer that its policy trusts.
type gate struct {
	*testing.T
	issuer   *issuertest.Issuer
	clock    *clock
	provider login.Provider
	policy   *access.Policy
}

func newGate(t *testing.T) *gate {
	issuer, clock := issuertest.New(t), &clock{}
	return &gate{t, issuer, clock, federate.OIDC(clock.options()), trusting(t, issuer)}
}

// token is one that is good now, by the clock of the gate.
func (g *gate) token() string {
	now := g.clock.now().Unix()
	return g.issuer.Token(job(map[string]any{"iat": now, "nbf": now, "exp": now + 300}))
}

func (g *gate) login(token string) error {
	_, err := g.provider.Login(g.Context(), oidc(token), g.policy)
	return err
}

func (g *gate) wantTaken(token string) {
	g.Helper()
	if err := g.login(token); err != nil {
		g.Errorf("got error %v, want it taken", err)
	}
}

// wantAsked fails unless the issuer was asked so often for its keys.
func (g *gate) wantAsked(times int) {
	g.Helper()
	if got := g.issuer.Asked(issuertest.KeysPath); got != times {
		g.Errorf("the issuer was asked %d times for its keys, want %d", got, times)
	}
}

// Keys are asked for once, and again when they are no longer fresh.
func TestKeysAreKept(t *testing.T) {
	g := newGate(t)
	for range 5 {
		g.wantTaken(g.token())
	}
	g.wantAsked(1)
	g.clock.pass(11 * time.Minute)
	for range 5 {
		g.wantTaken(g.token())
	}
	g.wantAsked(2)
}

// However many come at once, one asks.
func TestKeysAreAskedForByOne(t *testing.T) {
	g := newGate(t)
	var all sync.WaitGroup
	token := g.token()
	for range 20 {
		all.Go(func() { g.wantTaken(token) })
	}
	all.Wait()
	g.wantAsked(1)
}

// A new key counts when it first signs, and the old one until it is withdrawn.
func TestKeysRotate(t *testing.T) {
	g := newGate(t)
	old := g.token()
	g.wantTaken(old)
	g.clock.pass(time.Minute)
	g.issuer.Rotate(jose.EdDSA)
	g.wantTaken(g.token())
	g.wantTaken(old)
	g.wantAsked(2)
}

// A key that was withdrawn is forgotten within ten minutes, with nobody having
// to ask for another.
func TestKeysAreWithdrawn(t *testing.T) {
	g := newGate(t)
	token := g.issuer.Token(job(map[string]any{"exp": time.Now().Add(time.Hour).Unix()}))
	g.wantTaken(token)
	g.issuer.Rotate(jose.ES256)
	g.issuer.Withdraw()
	g.clock.pass(9 * time.Minute)
	g.wantTaken(token)
	g.clock.pass(2 * time.Minute)
	wantRefused(t, g.login(token), "has no key", token)
}

// Whoever invents names of keys does not have the issuer asked at each attempt,
// and keeps nobody else out.
func TestKeysThatNobodyHas(t *testing.T) {
	g := newGate(t)
	g.wantTaken(g.token())
	for i := range 20 {
		forged := header(t, map[string]any{"alg": "ES256", "kid": fmt.Sprint("made-up-", i)}) +
			g.token()[strings.Index(g.token(), "."):]
		wantRefused(t, g.login(forged), "has no key", forged)
		g.clock.pass(time.Second)
	}
	g.wantAsked(2) // at first, and once within twenty seconds
	g.wantTaken(g.token())
}

// An issuer that does not answer is not the fault of who logs in. Its keys are
// good for an hour.
func TestIssuerIsAway(t *testing.T) {
	g := newGate(t)
	g.issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	token := g.token()
	wantUnknown(t, g.login(token), "502", token)
	wantUnknown(t, g.login(token), "502", token)
	if got := g.issuer.Asked(issuertest.DiscoveryPath); got != 1 {
		t.Errorf("asked %d times within a moment, want 1", got)
	}
	g.issuer.Answer(nil)
	g.clock.pass(15 * time.Second)
	g.wantTaken(g.token())

	g.issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	g.clock.pass(50 * time.Minute)
	g.wantTaken(g.token())
	g.clock.pass(15 * time.Minute)
	token = g.token()
	wantUnknown(t, g.login(token), "502", token)
}

// Those who have waited for an issuer that is slow do not each wait for it anew.
func TestIssuerIsSlow(t *testing.T) {
	g := newGate(t)
	g.issuer.Answer(func(w http.ResponseWriter, _ *http.Request) {
		g.clock.pass(11 * time.Second)
		w.WriteHeader(http.StatusGatewayTimeout)
	})
	token := g.token()
	wantUnknown(t, g.login(token), "504", token)
	wantUnknown(t, g.login(token), "504", token)
	if got := g.issuer.Asked(issuertest.DiscoveryPath); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
}

// What an issuer answers is not believed where it leads elsewhere, or has no
// end.
func TestIssuerAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("asked somebody that the policy does not name")
	}))
	t.Cleanup(elsewhere.Close)
	document := func(issuer, keys string) string { return `{"issuer":"` + issuer + `","jwks_uri":"` + keys + `"}` }
	for _, test := range []struct {
		name      string
		discovery func(issuer string) string // empty: redirects elsewhere
		keys      string                     // empty: redirects elsewhere
		want      string
	}{
		{"another issuer", func(string) string { return document("https://issuer.example.com", "https://issuer.example.com/keys") }, "{}", "found the issuer"},
		{"keys elsewhere", func(i string) string { return document(i, elsewhere.URL+"/keys") }, "{}", "no https URL"},
		{"keys in a file", func(i string) string { return document(i, "file:///etc/passwd") }, "{}", "no https URL"},
		{"no keys", func(i string) string { return `{"issuer":"` + i + `"}` }, "{}", "no https URL"},
		{"discovery that is no JSON", func(string) string { return "<html>" }, "{}", "read answer"},
		{"discovery without end", func(string) string { return strings.Repeat(" ", 300<<10) }, "{}", "too large"},
		{"discovery elsewhere", func(string) string { return "" }, "{}", "redirected"},
		{"redirected keys", func(i string) string { return document(i, i+"/keys") }, "", "redirected"},
		{"keys that are no JSON", func(i string) string { return document(i, i+"/keys") }, "key", "read answer"},
		{"keys without end", func(i string) string { return document(i, i+"/keys") }, strings.Repeat(" ", 300<<10), "too large"},
		{"a thousand keys", func(i string) string { return document(i, i+"/keys") }, `{"keys":[` + strings.Repeat("{},", 999) + `{}]}`, "1000 keys"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(t)
			g.issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
				text := test.keys
				if r.URL.Path == issuertest.DiscoveryPath {
					text = test.discovery(g.issuer.URL)
				}
				if text == "" {
					http.Redirect(w, r, elsewhere.URL, http.StatusFound)
					return
				}
				fmt.Fprint(w, text)
			})
			token := g.token()
			wantUnknown(t, g.login(token), test.want, token)
		})
	}
}

// Keys for other uses, of kinds that nobody knows and that are secrets are left
// out. The others still count.
func TestKeysOfOtherKinds(t *testing.T) {
	g := newGate(t)
	key := g.issuer.Key()
	public := key.Public()
	good, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	answer := func(keys string) {
		g.issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == issuertest.DiscoveryPath {
				fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, g.issuer.URL, g.issuer.URL+issuertest.KeysPath)
				return
			}
			fmt.Fprintf(w, `{"keys":[%s]}`, keys)
		})
	}
	strange := `{"kty":"new"},7,{"kty":"oct","k":"AAAA","kid":"key-1"},{"kty":"EC","crv":"secp256k1","kid":"key-1"}`
	for _, bad := range []string{strange, string(private), strings.Replace(string(good), `"sig"`, `"enc"`, 1)} {
		answer(bad)
		token := g.token()
		wantRefused(t, g.login(token), "has no key", token)
		g.clock.pass(time.Minute)
	}
	answer(strange + "," + string(good))
	g.wantTaken(g.token())
}

// Over plain http anybody on the way could vouch for anyone.
func TestIssuerWithoutTLS(t *testing.T) {
	g := newGate(t)
	g.policy = &access.Policy{
		Audiences: []string{registry},
		Issuers:   []access.Trust{{Name: "ci", URL: "http://issuer.example.com"}},
	}
	token := g.issuer.Token(job(map[string]any{"iss": "http://issuer.example.com"}))
	wantUnknown(t, g.login(token), "neither https nor on loopback", token)
}
