package distribution_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// rules are who may do what behind a test's gate.
var rules = []access.Rule{
	rule("all", "**", "", "user:root", access.Pull, access.Push, access.Delete),
	rule("releases", "closed/**", "release-*", "user:production", access.Pull),
	rule("release management", "closed/**", "release-*", "user:manager", access.Pull, access.Push, access.Delete),
	rule("signing", "closed/**", "", "user:signer", access.Pull, access.Attach),
	rule("delivery", "closed/**", "", "user:courier", access.Push),
	rule("public", "public/**", "", "anyone", access.Pull),
	rule("samples", "samples/**", "v*", "anyone", access.Pull),
	{Name: "no deleting", Deny: true, Whom: access.Whom{Names: []string{"authenticated"}},
		Repositories: []string{"closed/kept"}, Actions: []access.Action{access.Delete}},
}

func rule(name, repos, tags, who string, actions ...access.Action) access.Rule {
	r := access.Rule{Name: name, Whom: access.Whom{Names: []string{who}}, Repositories: []string{repos}, Actions: actions}
	if tags != "" {
		r.Tags = []string{tags}
	}
	return r
}

// A gate takes everybody at their word: Authorization is a user's name and,
// after a space, the scopes of a token.
type gate struct{ policy *access.Policy }

var (
	errWrong  = oci.ErrUnauthorized.With(nil, "wrong user or password")
	errBroken = errors.New("table on fire")
)

// wait is an error that says in how many seconds to come again.
type wait int

func (w wait) Error() string { return "blocked" }
func (w wait) Seconds() int  { return int(w) }

func (g gate) Admit(r *http.Request) (*access.Session, error) {
	name, scopes, narrowed := strings.Cut(r.Header.Get("Authorization"), " ")
	s := &access.Session{Principal: access.Principal{Kind: access.User, Name: name}, Policy: g.policy}
	switch name {
	case "wrong":
		return nil, fmt.Errorf("admit: %w", errWrong)
	case "blocked":
		return nil, fmt.Errorf("%w: %w", oci.ErrTooManyRequests, wait(40))
	case "broken":
		return nil, errBroken
	case "", "anonymous":
		s.Principal = access.Principal{Kind: access.Anonymous}
	}
	if narrowed {
		var err error
		if s.Scopes, err = access.ParseScopes(scopes); err != nil {
			return nil, err
		}
		s.Scopes = append([]access.Scope{}, s.Scopes...)
	}
	return s, nil
}

func (g gate) Challenge(_ *http.Request, scope string, cause error) string {
	return fmt.Sprintf("Test scope=%q,cause=%q", scope, fmt.Sprint(cause))
}

// challenge is what the gate of a test says.
func challenge(scope, cause string) string {
	return fmt.Sprintf("Test scope=%q,cause=%q", scope, cause)
}

const (
	nothingPresented = "<nil>"
	tooNarrow        = "the token is not for this"
)

func newGate(t testing.TB) gate {
	t.Helper()
	p := &access.Policy{Rules: rules}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return gate{p}
}

// guard serves behind a gate.
func guard(t testing.TB, o distribution.Options) *server {
	t.Helper()
	o.Gate = newGate(t)
	return serveObserved(t, registry.Options{}, o)
}

// as returns the server as somebody reaches it.
func (s *server) as(who string) *server {
	client := *s.client
	client.Transport = presenting{who, s.client.Transport}
	return &server{TB: s.TB, url: s.url, client: &client}
}

type presenting struct {
	who  string
	next http.RoundTripper
}

func (p presenting) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", p.who)
	return p.next.RoundTrip(r)
}

// Who presents nothing learns how to ask, and what they may pull.
func TestStrangers(t *testing.T) {
	s := guard(t, distribution.Options{})
	image := s.as("root").image("public/app", "1", "layer")
	s.as("root").image("closed/app", "1", "layer")
	for _, c := range []struct{ method, path, scope string }{
		{"GET", "/v2/", ""},
		{"HEAD", "/v2/", ""},
		{"GET", "/v2/closed/app/tags/list", "repository:closed/app:pull"},
		{"GET", "/v2/closed/app/manifests/1", "repository:closed/app:pull"},
		{"HEAD", "/v2/closed/app/manifests/none", "repository:closed/app:pull"},
		{"GET", "/v2/closed/app/blobs/" + digest256, "repository:closed/app:pull"},
		{"GET", "/v2/closed/app/referrers/" + digest256, "repository:closed/app:pull"},
		{"POST", "/v2/closed/app/blobs/uploads/", "repository:closed/app:pull,push"},
		{"POST", "/v2/public/app/blobs/uploads/?digest=" + digest256, "repository:public/app:pull,push"},
		{"POST", "/v2/closed/app/blobs/uploads/?mount=" + digest256 + "&from=public/app", "repository:closed/app:pull,push repository:public/app:pull"},
		{"POST", "/v2/closed/app/blobs/uploads/?mount=" + digest256 + "&from=closed/app", "repository:closed/app:pull,push"},
		{"POST", "/v2/closed/app/blobs/uploads/?mount=" + digest256 + "&from=A%22b", "repository:closed/app:pull,push"},
		{"POST", "/v2/closed/app/blobs/uploads/?from=public/app", "repository:closed/app:pull,push"},
		{"GET", "/v2/closed/app/blobs/uploads/x", "repository:closed/app:pull,push"},
		{"PATCH", "/v2/closed/app/blobs/uploads/x", "repository:closed/app:pull,push"},
		{"PUT", "/v2/closed/app/blobs/uploads/x?digest=" + digest256, "repository:closed/app:pull,push"},
		{"DELETE", "/v2/closed/app/blobs/uploads/x", "repository:closed/app:pull,push"},
		{"PUT", "/v2/public/app/manifests/1", "repository:public/app:pull,push"},
		{"PUT", "/v2/public/app/manifests/" + digest256, "repository:public/app:pull,push"},
		{"DELETE", "/v2/public/app/manifests/1", "repository:public/app:delete"},
		{"DELETE", "/v2/public/app/blobs/" + digest256, "repository:public/app:delete"},
		{"GET", "/v2/_catalog", "registry:catalog:*"},
		{"GET", "/v2/closed/app/_oci/ext/discover", "repository:closed/app:pull,push"},
		{"POST", "/v2/closed/app/_berth/v1/uploads", "repository:closed/app:pull,push"},
		{"POST", "/v2/public/app/_berth/v1/uploads", "repository:public/app:pull,push"},
		{"GET", "/v2/public/app/_berth/v1/uploads/x", "repository:public/app:pull,push"},
		{"PUT", "/v2/closed/app/_berth/v1/uploads/x", "repository:closed/app:pull,push"},
		{"DELETE", "/v2/public/app/_berth/v1/uploads/x", "repository:public/app:pull,push"},
		{"POST", "/v2/closed/app/_berth/v1/uploads/x/parts", "repository:closed/app:pull,push"},
		// What there is not is not told either.
		{"GET", "/v2/nothing", ""},
		{"GET", "/v2/closed/App/manifests/1", ""},
		{"GET", "/v2/closed/app/manifests/sha256:x", "repository:closed/app:pull"},
		{"OPTIONS", "/v2/closed/app/tags/list", "repository:closed/app:pull"},
		{"OPTIONS", "/v2/public/app/tags/list", "repository:public/app:pull"},
		{"POST", "/v2/", ""},
	} {
		a := s.do(c.method, c.path, nil)
		if a.status != http.StatusUnauthorized || a.get("Www-Authenticate") != challenge(c.scope, nothingPresented) {
			t.Errorf("%s %s: got %d %s, want 401 for scope %q", c.method, c.path, a.status, a.get("Www-Authenticate"), c.scope)
		}
		if c.method != http.MethodHead && a.codes(t) != "UNAUTHORIZED" {
			t.Errorf("%s %s: got %s", c.method, c.path, a.body)
		}
		if a.get("Allow") != "" {
			t.Errorf("%s %s: says what is allowed", c.method, c.path)
		}
	}
	s.want(s.get(manifestURL("public/app", string(image.Digest))), http.StatusOK, "")
	s.want(s.get(manifestURL("public/app", "2")), http.StatusNotFound, "MANIFEST_UNKNOWN")
	s.want(s.get("/v2/public/app/tags/list"), http.StatusOK, "")
	if a := s.as("anonymous registry:catalog:*").get("/v2/_catalog"); string(a.body) != `{"repositories":["public/app"]}` {
		t.Errorf("the catalog for everybody: got %d %s", a.status, a.body)
	}
}

// Some clients log in when they are told to, and not before: where everybody may
// see a part, they would take it for all there is.
func TestStrangersAreToldWhereThereIsMore(t *testing.T) {
	s := guard(t, distribution.Options{})
	root, nobody := s.as("root"), s.as("anonymous repository:samples/app:pull")
	sample := root.image("samples/app", "v1", "layer")
	other := root.image("samples/app", "internal", "another")
	const repo = "/v2/samples/app/"
	for _, c := range []struct {
		path                    string
		stranger, nobody, owner int
	}{
		{"manifests/v1", 200, 200, 200}, // whoever comes sees the same
		{"manifests/v2", 404, 404, 404},
		{"manifests/internal", 401, 401, 200},
		{"manifests/" + string(sample.Digest), 401, 200, 200},
		{"manifests/" + string(other.Digest), 401, 404, 200},
		{"blobs/" + string(oci.SHA256.Sum([]byte("layer"))), 401, 200, 200},
		{"blobs/" + string(oci.SHA256.Sum([]byte("another"))), 401, 404, 200},
		{"referrers/" + string(other.Digest), 401, 200, 200},
		{"tags/list", 401, 200, 200},
	} {
		got := [3]int{s.get(repo + c.path).status, nobody.get(repo + c.path).status, root.get(repo + c.path).status}
		if want := [3]int{c.stranger, c.nobody, c.owner}; got != want {
			t.Errorf("%s: got %v for a stranger, a token for nobody and the owner, want %v", c.path, got, want)
		}
	}
}

// A ping with credentials is answered, and so is one with a token for nobody in
// particular: some clients fetch that before their first pull.
func TestPingOfSomebody(t *testing.T) {
	s := guard(t, distribution.Options{})
	for _, who := range []string{"root", "nobody", "nobody repository:a:pull", "anonymous nothing"} {
		s.want(s.as(who).get("/v2/"), http.StatusOK, "")
		s.want(s.as(who).get("/v2/nothing"), http.StatusNotFound, "UNSUPPORTED")
	}
}

func TestWhatIsDenied(t *testing.T) {
	s := guard(t, distribution.Options{})
	root := s.as("root")
	release := root.image("closed/app", "release-1", "layer")
	root.image("closed/app", "dev", "another")
	const denied, pushing = "DENIED", "closed/app/blobs/uploads/"
	closed := "closed/app/"
	for _, c := range []struct {
		who, method, path string
		status            int
		cause, scope      string // of the challenge, if it is 401
	}{
		{"nobody", "GET", closed + "tags/list", 403, "", ""},
		{"nobody", "GET", "_catalog", 200, "", ""},
		{"nobody", "POST", pushing, 403, "", ""},
		{"nobody", "GET", closed + "_oci/ext/discover", 403, "", ""},
		{"nobody", "POST", closed + "_berth/v1/uploads", 403, "", ""},
		{"nobody", "GET", closed + "_berth/v1/uploads/x", 403, "", ""},
		{"nobody", "DELETE", closed + "_berth/v1/uploads/x", 403, "", ""},
		{"production", "GET", closed + "_oci/ext/discover", 200, "", ""},
		{"production", "POST", closed + "_berth/v1/uploads", 403, "", ""},
		{"courier", "GET", closed + "_oci/ext/discover", 200, "", ""},
		{"courier", "POST", closed + "_berth/v1/uploads", 404, "", ""}, // this store takes none
		{"signer", "PUT", closed + "_berth/v1/uploads/x", 404, "", ""},
		{"nobody", "DELETE", closed + "manifests/dev", 403, "", ""},
		{"production", "GET", closed + "manifests/release-1", 200, "", ""},
		{"production", "GET", closed + "manifests/dev", 403, "", ""},
		{"production", "GET", closed + "manifests/" + string(release.Digest), 200, "", ""},
		{"production", "PUT", closed + "manifests/release-1", 403, "", ""},
		{"manager", "POST", pushing, 202, "", ""},
		{"manager", "PUT", closed + "manifests/dev", 403, "", ""},
		{"manager", "DELETE", closed + "manifests/dev", 403, "", ""},
		{"manager", "DELETE", closed + "manifests/" + string(release.Digest), 403, "", ""},
		{"signer", "POST", pushing, 202, "", ""},
		{"signer", "PUT", closed + "manifests/x", 403, "", ""},
		{"courier", "GET", closed + "tags/list", 403, "", ""},
		{"root", "DELETE", "closed/kept/manifests/x", 403, "", ""},
		// Another token would help.
		{"root repository:closed/app:pull,push", "POST", pushing + "?mount=" + digest256 + "&from=public/app", 401, tooNarrow,
			"repository:closed/app:pull,push repository:public/app:pull"},
		{"production repository:closed/other:pull", "GET", closed + "manifests/release-1", 401, tooNarrow, "repository:closed/app:pull"},
		{"manager repository:closed/app:pull", "POST", closed + "_berth/v1/uploads", 401, tooNarrow, "repository:closed/app:pull,push"},
		{"manager repository:closed/app:delete", "DELETE", closed + "_berth/v1/uploads/x", 401, tooNarrow, "repository:closed/app:pull,push"},
		{"manager repository:closed/app:pull", "POST", pushing, 401, tooNarrow, "repository:closed/app:pull,push"},
		{"manager repository:closed/app:pull", "PUT", closed + "manifests/release-2", 401, tooNarrow, "repository:closed/app:pull,push"},
		{"signer repository:closed/app:pull", "POST", pushing, 401, tooNarrow, "repository:closed/app:pull,push"},
		{"manager repository:closed/app:pull,push", "DELETE", closed + "manifests/release-1", 401, tooNarrow, "repository:closed/app:delete"},
		{"root repository:closed/app:*", "GET", "_catalog", 401, tooNarrow, "registry:catalog:*"},
		{"root registry:catalog:*", "GET", "_catalog", 200, "", ""},
		// And here it would not.
		{"root repository:closed/app:pull,push", "POST", pushing + "?mount=" + digest256, 202, "", ""},
		{"root repository:closed/app:pull,push", "POST", pushing + "?mount=" + digest256 + "&from=", 202, "", ""},
		{"root repository:closed/app:pull,push", "POST", pushing + "?mount=" + digest256 + "&from=Public/app", 202, "", ""},
		{"nobody repository:closed/app:pull", "GET", closed + "tags/list", 403, "", ""},
		{"nobody registry:catalog:*", "GET", closed + "tags/list", 403, "", ""},
		{"manager repository:closed/app:pull,push", "PUT", closed + "manifests/dev", 403, "", ""},
		// Nobody in particular could still become somebody.
		{"anonymous repository:closed/app:pull", "GET", closed + "tags/list", 401, tooNarrow, "repository:closed/app:pull"},
		{"anonymous nothing", "GET", "public/app/tags/list", 401, tooNarrow, "repository:public/app:pull"},
		{"anonymous repository:public/app:pull", "GET", "public/app/tags/list", 404, "", ""},
		{"wrong", "GET", closed + "tags/list", 401, "admit: UNAUTHORIZED: wrong user or password", "repository:closed/app:pull"},
		{"wrong", "GET", "public/app/tags/list", 401, "admit: UNAUTHORIZED: wrong user or password", "repository:public/app:pull"},
		{"wrong", "GET", "", 401, "admit: UNAUTHORIZED: wrong user or password", ""},
	} {
		a := s.as(c.who).do(c.method, "/v2/"+c.path, strings.NewReader("{}"))
		want := ""
		if c.status == 401 {
			want = challenge(c.scope, c.cause)
		}
		if a.status != c.status || a.get("Www-Authenticate") != want {
			t.Errorf("%s: %s %s: got %d %s %s, want %d %s", c.who, c.method, c.path, a.status, a.get("Www-Authenticate"), a.body, c.status, want)
		}
		if c.status == 403 && a.codes(t) != denied {
			t.Errorf("%s: %s %s: got %s", c.who, c.method, c.path, a.body)
		}
		// Clients print a message only if it is not the one of the spec.
		if c.status == 403 && !strings.Contains(string(a.body), "no right to ") {
			t.Errorf("%s: %s %s: says %s, not what there is no right to", c.who, c.method, c.path, a.body)
		}
		if strings.HasPrefix(c.who, "anonymous") && strings.Contains(string(a.body), "the token") {
			t.Errorf("%s: %s %s: speaks of a token: %s", c.who, c.method, c.path, a.body)
		}
	}
}

func TestBlocked(t *testing.T) {
	a := guard(t, distribution.Options{}).as("blocked").get("/v2/public/app/tags/list")
	if a.status != http.StatusTooManyRequests || a.get("Retry-After") != "40" || a.codes(t) != "TOOMANYREQUESTS" || a.get("Www-Authenticate") != "" {
		t.Errorf("got %d %v %s", a.status, a.header, a.body)
	}
}

// A gate that cannot tell lets nobody in, and does not call it their fault.
func TestBrokenGate(t *testing.T) {
	h := distribution.New(newRegistry(t, registry.Options{}), distribution.Options{Gate: newGate(t)})
	for _, path := range []string{"/v2/", "/v2/public/app/tags/list"} {
		r, w := httptest.NewRequestWithContext(t.Context(), "GET", path, nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "broken")
		h.ServeHTTP(w, r)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "fire") || w.Header().Get("Www-Authenticate") != "" {
			t.Errorf("GET %s: got %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
}

// Who has no right in a repository hears the same whether it is there or not.
func TestRepositoriesAreNotGuessed(t *testing.T) {
	s := guard(t, distribution.Options{})
	image := s.as("root").image("closed/there", "1", "layer")
	upload := s.as("root").begin("closed/there")
	id := upload[strings.LastIndexByte(upload, '/')+1:]
	ask := func(who, method, repo, rest string) string {
		a := s.as(who).do(method, "/v2/"+repo+rest, strings.NewReader("{}"), "If-Match", `"`+string(image.Digest)+`"`)
		a.header.Del("Date")
		a.header.Del("X-Request-Id")
		return strings.ReplaceAll(fmt.Sprintf("%d %v %s", a.status, a.header, a.body), repo, "R")
	}
	for _, who := range []string{"", "nobody", "nobody repository:closed/there:* repository:closed/other:*", "anonymous nothing", "wrong"} {
		for _, c := range []struct{ method, rest string }{
			{"GET", "/tags/list"}, {"GET", "/manifests/1"}, {"HEAD", "/manifests/" + string(image.Digest)},
			{"GET", "/blobs/" + string(oci.SHA256.Sum([]byte("layer")))}, {"GET", "/referrers/" + string(image.Digest)},
			{"GET", "/blobs/uploads/" + id}, {"PATCH", "/blobs/uploads/" + id}, {"DELETE", "/blobs/uploads/" + id},
			{"PUT", "/manifests/1"}, {"DELETE", "/manifests/1"}, {"DELETE", "/manifests/" + string(image.Digest)},
			{"GET", "/_oci/ext/discover"}, {"POST", "/_berth/v1/uploads"}, {"GET", "/_berth/v1/uploads/" + id},
			{"PUT", "/_berth/v1/uploads/" + id}, {"DELETE", "/_berth/v1/uploads/" + id}, {"POST", "/_berth/v1/uploads/" + id + "/parts"},
			{"POST", "/blobs/uploads/"}, {"POST", "/blobs/uploads/?from=closed/third&mount=" + string(image.Digest)},
		} {
			there, not := ask(who, c.method, "closed/there", c.rest), ask(who, c.method, "closed/other", c.rest)
			if there != not || !strings.HasPrefix(there, "401") && !strings.HasPrefix(there, "403") {
				t.Errorf("%q: %s %s:\n got %s\n and %s", who, c.method, c.rest, there, not)
			}
		}
	}
}

// A body is not read of whom it will not be taken.
func TestNothingIsReadOfWhoMayNotSend(t *testing.T) {
	h := distribution.New(newRegistry(t, registry.Options{}), distribution.Options{Gate: newGate(t)})
	for _, who := range []string{"", "nobody", "production", "wrong", "manager repository:closed/app:pull"} {
		for _, c := range []struct{ method, path string }{
			{"PUT", "/v2/closed/app/manifests/release-1"}, {"PUT", "/v2/closed/app/manifests/" + digest256},
			{"POST", "/v2/closed/app/blobs/uploads/?digest=" + digest256}, {"PATCH", "/v2/closed/app/blobs/uploads/x"},
			{"POST", "/v2/closed/app/_berth/v1/uploads"}, {"POST", "/v2/closed/app/_berth/v1/uploads/x/parts"}, {"PUT", "/v2/closed/app/_berth/v1/uploads/x"},
		} {
			body := &untouched{}
			r, w := httptest.NewRequestWithContext(t.Context(), c.method, c.path, body), httptest.NewRecorder()
			if who != "" {
				r.Header.Set("Authorization", who)
			}
			h.ServeHTTP(w, r)
			if body.read || w.Code != 401 && w.Code != 403 {
				t.Errorf("%q: %s %s: got %d, body read: %t", who, c.method, c.path, w.Code, body.read)
			}
		}
	}
}

type untouched struct{ read bool }

func (u *untouched) Read([]byte) (int, error) {
	u.read = true
	return 0, io.EOF
}
