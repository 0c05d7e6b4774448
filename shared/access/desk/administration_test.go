package desk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/oci"
)

// do sends a request to administration, with JSON in it if there is a body.
func (o *office) do(method, target, body string, headers ...string) answer {
	o.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return o.send(r)
}

var errands = [][2]string{
	{"GET", "/_berth/policy"}, {"PUT", "/_berth/policy"},
	{"GET", "/_berth/robots"}, {"POST", "/_berth/robots"}, {"DELETE", "/_berth/robots?robot=x"},
	{"POST", "/_berth/robots/rotate"}, {"POST", "/_berth/keys/rotate"},
}

// later is an error that says when to come again.
type later struct{}

func (later) Error() string { return "later" }
func (later) Seconds() int  { return 77 }

// Nobody but who a rule allows admin gets any of it done, and each attempt is
// in the log.
func TestOnlyAdministratorsAdminister(t *testing.T) {
	o := newOffice(t, nil)
	admin := []access.Scope{{Type: "registry", Name: "admin", Actions: []string{"*"}}}
	catalog := []access.Scope{{Type: "registry", Name: "catalog", Actions: []string{"*"}}}
	for name, c := range map[string]struct {
		who       access.Principal
		scopes    []access.Scope
		err       error
		status    int
		challenge bool
	}{
		"nobody":              {access.Principal{}, nil, nil, 401, true},
		"another user":        {access.Principal{Kind: access.User, Name: "alice"}, nil, nil, 403, false},
		"another, with scope": {access.Principal{Kind: access.User, Name: "alice"}, admin, nil, 403, false},
		"root, narrowed":      {root, catalog, nil, 401, true},
		"root, to nothing":    {root, []access.Scope{}, nil, 401, true},
		"a bad token":         {root, nil, errNobody, 401, true},
		"blocked":             {root, nil, fmt.Errorf("%w: %w", oci.ErrTooManyRequests, later{}), 429, false},
	} {
		o.as(c.who, c.scopes)
		if c.err != nil {
			o.gate.session, o.gate.err = nil, c.err
		}
		for _, e := range errands {
			a := o.do(e[0], e[1], "{}")
			challenge := a.header.Get("Www-Authenticate")
			if a.status != c.status || (challenge != "") != c.challenge || c.challenge && !strings.Contains(challenge, `scope="registry:admin:*"`) {
				t.Errorf("%s: %s %s: got %d with challenge %q, want %d", name, e[0], e[1], a.status, challenge, c.status)
			}
			if after := a.header.Get("Retry-After"); (after == "77") != (a.status == http.StatusTooManyRequests) {
				t.Errorf("%s: %s %s: Retry-After %q", name, e[0], e[1], after)
			}
		}
	}
	if got, want := strings.Count(o.log.String(), "msg=audit"), 7*len(errands); got != want {
		t.Errorf("%d audit lines, want %d", got, want)
	}
	if strings.Contains(o.log.String(), "allowed=true") {
		t.Errorf("somebody was let in:\n%s", o.log)
	}
	o.as(root, admin)
	want(t, o.do("GET", "/_berth/robots", ""), http.StatusOK)
}

func TestPolicyIsReadAndReplaced(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	got := o.do("GET", "/_berth/policy", "")
	want(t, got, http.StatusOK)
	etag := got.header.Get("Etag")
	if got.body != testPolicy || etag == "" {
		t.Errorf("got %q with ETag %q", got.body, etag)
	}
	changed := strings.Replace(testPolicy, "user:alice", "user:bob", 1)
	set := o.do("PUT", "/_berth/policy", changed, "If-Match", etag, "Content-Type", "application/yaml")
	want(t, set, http.StatusOK, `"by":"user:root"`)
	if now := o.do("GET", "/_berth/policy", ""); now.body != changed || now.header.Get("Etag") != set.header.Get("Etag") {
		t.Errorf("in force is %q with ETag %s, want what was set and %s", now.body, now.header.Get("Etag"), set.header.Get("Etag"))
	}
	want(t, o.do("PUT", "/_berth/policy", testPolicy, "If-Match", etag), http.StatusPreconditionFailed)
	want(t, o.do("PUT", "/_berth/policy", testPolicy, "If-None-Match", "*"), http.StatusPreconditionFailed)
	want(t, o.do("PUT", "/_berth/policy", testPolicy), http.StatusOK) // whatever is there
	for _, odd := range []string{"*", "x", `""`, `"a", "b"`, `W/"a"`} {
		want(t, o.do("PUT", "/_berth/policy", testPolicy, "If-Match", odd), http.StatusBadRequest)
	}
	if !strings.Contains(o.log.String(), `action="policy set"`) {
		t.Errorf("no audit line:\n%s", o.log)
	}
}

// What is wrong with a policy is said with its place, and the old one stays.
func TestPolicyWithErrorsIsNotTaken(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	for name, c := range map[string]struct{ text, says string }{
		"a slip":         {"rules:\n  - alow: [pull]\n", "policy:2:5"},
		"a failing test": {testPolicy + "tests:\n  - {who: \"user:alice\", action: pull, repository: team/app, want: deny}\n", "policy:10"},
		"too large":      {"# " + strings.Repeat("x", 300<<10), "KiB"},
	} {
		a := o.do("PUT", "/_berth/policy", c.text)
		if a.status/100 != 4 || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: got %d: %s, want %q", name, a.status, a.body, c.says)
		}
	}
	if now := o.do("GET", "/_berth/policy", ""); now.body != testPolicy {
		t.Errorf("in force is %q", now.body)
	}
}

func TestPolicyInAFileIsNotReplaced(t *testing.T) {
	o := newOffice(t, func(o *desk.Options) {
		o.File = func() ([]byte, string) { return []byte("rules: []\n"), "/etc/berth/policy.yaml" }
	})
	o.as(root, nil)
	if got := o.do("GET", "/_berth/policy", ""); got.body != "rules: []\n" || got.header.Get("Etag") == "" {
		t.Errorf("got %q", got.body)
	}
	want(t, o.do("PUT", "/_berth/policy", testPolicy), http.StatusConflict, "/etc/berth/policy.yaml")
}

// The life of a robot: made, listed, rotated, revoked.
func TestRobots(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	read := func(a answer, status int) (r desk.Robot) {
		t.Helper()
		want(t, a, status)
		if err := json.Unmarshal([]byte(a.body), &r); err != nil {
			t.Fatal(err)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control of a secret: %q", got)
		}
		return r
	}
	expires := o.clock.now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	made := read(o.do("POST", "/_berth/robots", `{"name":"builder","groups":["ci"],"expires":"`+expires+`"}`), http.StatusCreated)
	if !strings.HasPrefix(made.ID, "robot-") || !strings.HasPrefix(made.Secret, "berth_") || len(made.Groups) != 1 {
		t.Errorf("made %+v", made)
	}
	o.granted(o.get(made.ID, made.Secret, scopes()))

	want(t, o.do("POST", "/_berth/robots", `{"name":"builder"}`), http.StatusConflict)
	want(t, o.do("POST", "/_berth/robots", `{"name":"../x"}`), http.StatusBadRequest)
	list := o.do("GET", "/_berth/robots", "")
	want(t, list, http.StatusOK, made.ID, `"used":`)
	if strings.Contains(list.body, "berth_") || strings.Contains(list.body, "secret") {
		t.Errorf("a secret is listed: %s", list.body)
	}

	second := read(o.do("POST", "/_berth/robots/rotate", `{"name":"builder","overlap":3600}`), http.StatusCreated)
	for _, key := range []desk.Robot{made, second} {
		o.granted(o.get(key.ID, key.Secret, scopes()))
	}
	o.clock.forward(2 * time.Hour)
	want(t, o.get(made.ID, made.Secret, scopes()), http.StatusUnauthorized)
	o.granted(o.get(second.ID, second.Secret, scopes()))

	want(t, o.do("DELETE", "/_berth/robots?robot=builder", ""), http.StatusOK, second.ID)
	want(t, o.get(second.ID, second.Secret, scopes()), http.StatusUnauthorized)
	want(t, o.do("DELETE", "/_berth/robots?robot=builder", ""), http.StatusNotFound)
	want(t, o.do("POST", "/_berth/robots/rotate", `{"name":"builder"}`), http.StatusNotFound)

	for _, secret := range []string{made.Secret, second.Secret} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("a secret is in the log:\n%s", o.log)
		}
	}
	if got := strings.Count(o.log.String(), "allowed=true done=true"); got != 3 {
		t.Errorf("%d audit lines of what was done, want 3:\n%s", got, o.log)
	}
}

func TestOddErrands(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	for _, c := range []struct {
		method, target, body, contentType string
		status                            int
	}{
		{"POST", "/_berth/robots", `{"name":"x"}`, "text/plain", 400}, // as a page of a stranger would
		{"POST", "/_berth/robots", `{"name":"x","admin":true}`, "application/json", 400},
		{"POST", "/_berth/robots", `{"name":"x"}{}`, "application/json", 400},
		{"POST", "/_berth/robots", `{"name":`, "application/json", 400},
		{"POST", "/_berth/robots", `{"name":"` + strings.Repeat("x", 20<<10) + `"}`, "application/json", 413},
		{"POST", "/_berth/robots/rotate", `{"name":"x","overlap":-1}`, "application/json", 400},
		{"POST", "/_berth/robots/rotate", `{"name":"x","overlap":9223372036854775807}`, "application/json", 400},
		{"DELETE", "/_berth/robots", "", "", 400},
		{"PATCH", "/_berth/robots", "", "", 405},
		{"GET", "/_berth/", "", "", 404},
		{"GET", "/_berth/keys/rotate", "", "", 405},
	} {
		a := o.do(c.method, c.target, c.body, "Content-Type", c.contentType)
		if a.status != c.status {
			t.Errorf("%s %s %.40s: got %d: %s, want %d", c.method, c.target, c.body, a.status, a.body, c.status)
		}
	}
}

// A page of somebody else, in an administrator's browser, gets nothing done.
func TestPagesOfOthersDoNotAdminister(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	for _, e := range errands {
		if e[0] == http.MethodGet {
			continue
		}
		want(t, o.do(e[0], e[1], "{}", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
		want(t, o.do(e[0], e[1], "{}", "Origin", "https://evil.test"), http.StatusForbidden)
	}
	want(t, o.do("POST", "/_berth/keys/rotate", ""), http.StatusOK)
}

// Tokens of the old key are good, and so are those of the new.
// A key that has leaked ends at once, and with it all that it has signed.
func TestLeakedKeysEnd(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	old, _ := o.granted(o.get("alice", "secret", scopes()))
	kept := o.keep("alice", "secret")
	want(t, o.do("POST", "/_berth/keys/rotate?leaked", ""), http.StatusOK, `"key":"`)
	if _, err := o.verifier.Verify(t.Context(), old.Token); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a token of the leaked key: got %v", err)
	}
	want(t, o.post(refresh(kept)), http.StatusUnauthorized, "")
	fresh, _ := o.granted(o.get("alice", "secret", scopes()))
	if _, err := o.verifier.Verify(t.Context(), fresh.Token); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
}

func TestKeysRotate(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	old, _ := o.granted(o.get("alice", "secret", scopes()))
	kept := o.keep("alice", "secret")
	want(t, o.do("POST", "/_berth/keys/rotate", ""), http.StatusOK, `"key":"`)
	o.clock.forward(2 * time.Minute)
	fresh, _ := o.granted(o.get("alice", "secret", scopes()))
	for _, raw := range []string{old.Token, fresh.Token} {
		if _, err := o.verifier.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
	}
	o.granted(o.post(refresh(kept)))
	if !strings.Contains(o.log.String(), `action="keys rotate"`) {
		t.Errorf("no audit line:\n%s", o.log)
	}
}
