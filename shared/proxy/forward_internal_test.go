package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/berthregistry/berth/shared/oci"
)

const index = "application/vnd.oci.image.index.v1+json"

func TestForward(t *testing.T) {
	g := newRig(t)
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Docker-Content-Digest", string(someDigest))
		w.Header().Set("Oci-Tag", "a, b")
		w.Header().Set("Location", "http://"+r.Host+"/v2/team/app/manifests/1")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), body)
	})
	a := g.do("PUT", "/v2/team/app/manifests/1?tag=a&tag=b", "{}", "Content-Type", index)
	if want := "PUT /v2/team/app/manifests/1?tag=a&tag=b " + index + " {}"; a.status != http.StatusCreated || a.body != want {
		t.Errorf("got %d %q, want %q", a.status, a.body, want)
	}
	if a.header.Get("Location") != "/v2/team/app/manifests/1" || a.header.Get("Oci-Tag") != "a, b" || a.header.Get("Docker-Content-Digest") != string(someDigest) {
		t.Errorf("headers %v", a.header)
	}
	// Some registries take no body of unknown length.
	g.send("PUT", "/v2/team/app/manifests/1", io.MultiReader(strings.NewReader("{}")))
	if got := g.last().ContentLength; got != 2 {
		t.Errorf("the registry is told of %d bytes, want 2", got)
	}
}

// The login is the proxy's, and what a browser or the registry has to say about
// logging in is not passed on.
func TestWhatIsNotPassedOn(t *testing.T) {
	g := newRig(t)
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Www-Authenticate", "Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} {
			w.Header().Set(name, "x")
		}
		w.Header().Set("Warning", `299 - "soon gone"`)
	})
	a := g.want(g.do("GET", "/v2/", "", "Authorization", "Basic eDp5", "Cookie", "a=b", "Origin", "http://evil.test",
		"Connection", "upgrade", "Upgrade", "h2c", "X-Forwarded-For", "192.0.2.1", "Accept", "text/plain", "Range", "bytes=0-1"), http.StatusOK, "")
	for name := range a.header {
		if notForClients(name) {
			t.Errorf("%s is passed on to the client", name)
		}
	}
	if a.header.Get("Warning") == "" {
		t.Error("a warning is not passed on")
	}
	for _, name := range []string{"Authorization", "Cookie", "Origin", "Upgrade", "Connection", "X-Forwarded-For"} {
		if v := g.last().Header.Get(name); v != "" {
			t.Errorf("%s: %s is passed on to the registry", name, v)
		}
	}
	if g.last().Header.Get("Accept") != "text/plain" || g.last().Header.Get("Range") != "bytes=0-1" {
		t.Errorf("the registry got %v", g.last().Header)
	}
}

func TestNoPathLeadsToTheRegistrysDesk(t *testing.T) {
	g := newRig(t)
	for _, path := range []string{"/", "/token", "/_berth/policy", "/v2/../_berth/policy", "/v2/%2e%2e/_berth/policy", "/v2/a%2f..%2f..%2f_berth"} {
		g.want(g.do("GET", path, ""), http.StatusNotFound, "UNSUPPORTED")
	}
	if n := g.askedTimes(); n != 0 {
		t.Errorf("the registry was asked %d times, last for %s", n, g.last().URL)
	}
}

// Whoever asks for a large blob fetches it from where it is.
func TestRedirects(t *testing.T) {
	g := newRig(t)
	here := "http://" + g.to.Host
	for to, want := range map[string]string{
		"https://store.test/a%2Fb//c?X-Amz-Signature=0": "https://store.test/a%2Fb//c?X-Amz-Signature=0",
		"/downloads/object?X-Amz-Signature=0":           here + "/downloads/object?X-Amz-Signature=0",
		here + "/downloads/object?X-Amz-Signature=0":    here + "/downloads/object?X-Amz-Signature=0",
		here + "/v2/team/other/blobs/x?n=1":             "/v2/team/other/blobs/x?n=1",
	} {
		g.answers(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) })
		a := g.do("GET", "/v2/team/app/blobs/"+string(someDigest), "")
		if got := a.header.Get("Location"); a.status != http.StatusTemporaryRedirect || got != want {
			t.Errorf("%s: got %d to %s, want %s", to, a.status, got, want)
		}
	}
	if strings.Contains(g.log.String(), "Signature") {
		t.Errorf("the log has a signature:\n%s", g.log)
	}
}

func TestPagesAreLinkedHere(t *testing.T) {
	g := newRig(t)
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", `<http://`+r.Host+`/v2/_catalog?last=b&n=2>; rel="next"`)
	})
	a := g.do("GET", "/v2/_catalog?n=2", "")
	if got, want := a.header.Get("Link"), `</v2/_catalog?last=b&n=2>; rel="next"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestErrorsOfTheRegistry(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   int
		code   string
		says   string
	}{
		{400, `{"errors":[{"code":"MANIFEST_INVALID","message":"no","detail":{"a":1}}]}`, 400, "MANIFEST_INVALID", `"detail":{"a":1}`},
		{403, `{"errors":[{"code":"DENIED","message":"no right to push in team/app"}]}`, 403, "DENIED", "no right to push"},
		{401, `{"errors":[{"code":"UNAUTHORIZED"}]}`, 403, "DENIED", "berth login "},
		{404, `<html>not here</html>`, 404, "NAME_UNKNOWN", "404 Not Found"},
		{403, `{"message":"Forbidden"}`, 403, "DENIED", "403 Forbidden"},
		{413, `{"message":"Request Too Long"}`, 413, "SIZE_INVALID", "413"},
		{400, ``, 400, "UNKNOWN", "400 Bad Request"},
	} {
		g := newRig(t)
		g.answers(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Www-Authenticate", `Negotiate`)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		for _, path := range []string{"/v2/team/app/manifests/1", "/v2/team/app/blobs/uploads/?mount=" + string(someDigest)} {
			method := "GET"
			if strings.Contains(path, "uploads") {
				method = "POST"
			}
			a := g.want(g.do(method, path, ""), c.want, c.code)
			if !strings.Contains(a.body, c.says) || a.header.Get("Www-Authenticate") != "" {
				t.Errorf("%s of %d %q: got %v %q, want %q", method, c.status, c.body, a.header, a.body, c.says)
			}
		}
		if a := g.do("HEAD", "/v2/team/app/manifests/1", ""); a.status != c.want || a.body != "" {
			t.Errorf("HEAD of %d: got %d", c.status, a.status)
		}
	}
}

// A gateway that is asked too much says so in its own words, and clients try
// again that find the spec's.
func TestThrottled(t *testing.T) {
	g := newRig(t)
	tries := 0
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		tries++
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":"Too Many Requests"}`)
	})
	g.client.Client.Transport = &retry.Transport{Policy: func() retry.Policy {
		return &retry.GenericPolicy{Retryable: retry.DefaultPredicate, Backoff: retry.DefaultBackoff, MaxRetry: 2}
	}}
	a := g.want(g.do("GET", "/v2/team/app/manifests/1", ""), http.StatusTooManyRequests, "TOOMANYREQUESTS")
	if a.header.Get("Retry-After") != "7" || tries < 2 {
		t.Errorf("got Retry-After %q after %d tries", a.header.Get("Retry-After"), tries)
	}
}

func TestTheRegistryIsNotThere(t *testing.T) {
	g := newRig(t)
	g.to.Host = "127.0.0.1:1"
	a := g.want(g.do("GET", "/v2/team/app/manifests/1?secret=x", ""), http.StatusBadGateway, "UNKNOWN")
	if !strings.Contains(a.body, "127.0.0.1:1: dial tcp") || strings.Contains(a.body+g.log.String(), "secret") {
		t.Errorf("got %s, log:\n%s", a.body, g.log)
	}
	g.want(g.do("POST", "/v2/team/app/blobs/uploads/", ""), http.StatusBadGateway, "UNKNOWN")
}

// An answer that is cut is cut for the client, and noted where all else is.
func TestTheRegistryIsCutOff(t *testing.T) {
	g := newRig(t)
	g.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "9")
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := g.try("GET", "/v2/team/app/blobs/"+string(someDigest), nil)
	if err == nil || !strings.Contains(g.log.String(), "unexpected EOF") {
		t.Errorf("got %v, log:\n%s", err, g.log)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	g := newRig(t)
	g.want(g.do("PUT", "/v2/team/app/manifests/1", strings.Repeat(" ", maxBody+1)), http.StatusRequestEntityTooLarge, "SIZE_INVALID")
	g.want(g.send("PUT", "/v2/team/app/manifests/1", neverEnding{}), http.StatusRequestEntityTooLarge, "SIZE_INVALID")
	if g.askedTimes() != 0 {
		t.Error("the registry got it")
	}
	if !g.bodies.TryAcquire(maxBodies) {
		t.Error("there is less room than before")
	}
}

// A registry with tokens is one that the proxy logs in to, for what a request
// needs.
func TestLogin(t *testing.T) {
	g := newRig(t)
	var scopes []string
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			user, password, _ := r.BasicAuth()
			scopes = append(scopes, strings.Join(r.URL.Query()["scope"], " "))
			if user != "robot" || password != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, `{"token":"good"}`)
			return
		}
		if r.Header.Get("Authorization") != "Bearer good" {
			w.Header().Set("Www-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body)
	})
	g.want(g.do("GET", "/v2/", ""), http.StatusForbidden, "DENIED")
	if strings.Contains(g.log.String(), "secret") {
		t.Error("the password is in the log")
	}
	g.Proxy.client.Credential = auth.StaticCredential(g.to.Host, auth.Credential{Username: "robot", Password: "secret"})
	scopes = nil
	a := g.do("PUT", "/v2/team/app/manifests/1", "the body is sent twice", "Authorization", "Bearer of-the-client")
	if a.status != http.StatusCreated || a.body != "the body is sent twice" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	g.do("GET", "/v2/team/app/tags/list", "")
	g.do("DELETE", "/v2/team/app/manifests/1", "")
	g.do("POST", "/v2/team/app/blobs/uploads/?mount="+string(someDigest)+"&from=team/base", "")
	g.do("GET", "/v2/_catalog", "")
	want := []string{
		"repository:team/app:pull,push", "repository:team/app:pull", "repository:team/app:delete",
		"repository:team/app:pull,push repository:team/base:pull", "",
	}
	if fmt.Sprint(scopes) != fmt.Sprint(want) {
		t.Errorf("got tokens for %q, want %q", scopes, want)
	}
}

// Before a client sends anything the registry has said that it would take it, and
// has nothing left of that.
func TestTheRegistryIsAskedBefore(t *testing.T) {
	g := newRig(t)
	g.started()
	g.eventually("the registry's upload is cancelled", func() bool { return g.askedTimes() == 2 })
	if r := g.last(); r.Method != "DELETE" || r.URL.Path != "/v2/team/app/blobs/uploads/theirs" {
		t.Errorf("got %s %s", r.Method, r.URL)
	}
	g.started()
	if g.askedTimes() != 2 {
		t.Error("the registry is asked each time")
	}
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"no right to push in team/other"}]}`)
	})
	g.want(g.do("POST", "/v2/team/other/blobs/uploads/", ""), http.StatusForbidden, "DENIED")
}

func TestMount(t *testing.T) {
	g := newRig(t)
	path := "/v2/team/app/blobs/uploads/?mount=" + string(someDigest) + "&from=team/base"
	a := g.want(g.do("POST", path, ""), http.StatusAccepted, "")
	if at := a.header.Get("Location"); strings.HasSuffix(at, "theirs") || g.want(g.do("GET", at, ""), http.StatusNoContent, "").header.Get("Range") != "0-0" {
		t.Errorf("what cannot be mounted is to be sent to %s", at)
	}
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			return // of what was begun before
		}
		if r.URL.Query().Get("mount") != string(someDigest) || r.URL.Query().Get("from") != "team/base" {
			t.Errorf("the registry is asked for %s", r.URL)
		}
		w.Header().Set("Location", "/v2/team/app/blobs/"+string(someDigest))
		w.Header().Set("Docker-Content-Digest", string(someDigest))
		w.WriteHeader(http.StatusCreated)
	})
	a = g.want(g.do("POST", path, ""), http.StatusCreated, "")
	if a.header.Get("Location") != "/v2/team/app/blobs/"+string(someDigest) || a.header.Get("Docker-Content-Digest") != string(someDigest) {
		t.Errorf("mounted: got %v", a.header)
	}
}

// The registry is told which image a request is about.
func TestHints(t *testing.T) {
	g := newRig(t)
	layer, child := oci.SHA256.Sum([]byte("layer")), oci.SHA256.Sum([]byte("child"))
	manifests := map[string]string{
		"/v2/team/app/manifests/1":                     fmt.Sprintf(`{"manifests":[{"digest":%q}]}`, child),
		"/v2/team/app/manifests/" + string(child):      fmt.Sprintf(`{"layers":[{"digest":%q}]}`, layer),
		"/v2/team/app/manifests/" + string(someDigest): "{}",
	}
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/team/app/manifests/1" {
			w.Header().Set("Docker-Content-Digest", string(someDigest))
		}
		_, _ = io.WriteString(w, manifests[r.URL.Path])
	})
	told := func() string { return strings.ReplaceAll(g.last().Header.Get("OCI-Ref"), g.to.Host, "HOST") }
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/v2/team/app/blobs/" + string(layer), ""},
		{"HEAD", "/v2/team/app/manifests/1", "HOST/team/app:1"},
		{"GET", "/v2/team/app/manifests/" + string(someDigest), "HOST/team/app:1@" + string(someDigest)},
		{"GET", "/v2/team/app/manifests/1", "HOST/team/app:1"},
		{"GET", "/v2/team/app/manifests/" + string(child), "HOST/team/app:1"},
		{"GET", "/v2/team/app/blobs/" + string(layer), "HOST/team/app:1"},
		{"GET", "/v2/team/app/referrers/" + string(someDigest), "HOST/team/app:1"},
		{"GET", "/v2/team/other/blobs/" + string(layer), ""},
		{"GET", "/v2/team/app/tags/list", ""},
		{"POST", "/v2/team/app/blobs/uploads/", ""},
	} {
		g.do(c.method, c.path, "")
		if got := told(); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.path, got, c.want)
		}
	}
	for _, c := range []struct{ name, value, want string }{
		{"OCI-Ref", g.host() + "/team/app:2", "HOST/team/app:2"},
		{"OCI-Ref", "registry.test/team/app:2", "registry.test/team/app:2"},
		{"OCI-Named-Ref", g.host() + "/team/app:2", "HOST/team/app:2"},
		{"Docker-Manifest-Tag", "2", "HOST/team/app:2"},
		{"Docker-Manifest-Tag", "no tag", ""},
		{"OCI-Ref", strings.Repeat("x", maxHint+1), ""},
	} {
		g.do("GET", "/v2/team/app/blobs/"+string(layer), "", c.name, c.value)
		if got := told(); got != c.want {
			t.Errorf("%s: %.50s: got %q, want %q", c.name, c.value, got, c.want)
		}
	}
	g.want(g.do("POST", "/v2/team/app/blobs/uploads/?digest="+string(someDigest), "some", "OCI-Ref", g.host()+"/team/app:2"), http.StatusCreated, "")
	if got, want := g.kept().about, g.to.Host+"/team/app:2"; got != want {
		t.Errorf("stream: got %q, want %q", got, want)
	}
}

func TestTheTrailIsBounded(t *testing.T) {
	var tr trail
	first := oci.SHA256.Sum([]byte("first"))
	tr.add("a", lead{tag: "1"}, first)
	for i := range 5 * maxTrail {
		tr.add("a", lead{tag: "2"}, oci.SHA256.Sum(fmt.Append(nil, i)))
		if l, ok := tr.to("a", first); i < 4*maxTrail && (!ok || l.tag != "1") {
			t.Fatalf("after %d others what is asked for is gone", i)
		}
		if i == 4*maxTrail {
			break
		}
	}
	if n := len(tr.young) + len(tr.old); n > 2*maxTrail {
		t.Errorf("%d spots are kept", n)
	}
}

func TestChildren(t *testing.T) {
	if got := children([]byte(`{"layers":[{"digest":"sha256:x"},{"digest":7}]}`)); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	many := `{"layers":[` + strings.TrimSuffix(strings.Repeat(`{"digest":"`+string(someDigest)+`"},`, 10000), ",") + `]}`
	if got := children([]byte(many)); len(got) != maxChildren {
		t.Errorf("%d children are remembered", len(got))
	}
}
