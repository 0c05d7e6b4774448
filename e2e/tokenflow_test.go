package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// challengeForm is a challenge as all clients read it: a scheme, and values in
// quotes.
var challengeForm = regexp.MustCompile(`^Bearer (\w+="[^"]*")(,\w+="[^"]*")*$`)

// challengeOf returns the values of a challenge by name.
func challengeOf(t *testing.T, resp answer) map[string]string {
	t.Helper()
	header := resp.Header.Values("Www-Authenticate")
	if resp.StatusCode != http.StatusUnauthorized || len(header) != 1 || !challengeForm.MatchString(header[0]) {
		t.Fatalf("got %s with challenge %q, want 401 with one challenge", resp.Status, header)
	}
	values := map[string]string{}
	for _, pair := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(header[0], -1) {
		values[pair[1]] = pair[2]
	}
	return values
}

// Docker with its classic store, crane and those built on containers/image take
// the scheme from the ping alone, and then ask for a token by GET.
func TestDockerTakesTheChallengeFromThePing(t *testing.T) {
	t.Parallel()
	builder := guarded(t).robot(t, "builder")
	said := challengeOf(t, builder.do(t, "GET", "/v2/", ""))
	if want := "http://" + builder.host + "/token"; said["realm"] != want || said["service"] == "" {
		t.Fatalf("the ping says %v, want realm %s and a service", said, want)
	}
	repo := newRepoIn(t, "closed")
	query := url.Values{"account": {builder.user}, "service": {said["service"]}, "scope": {"repository:" + repo + ":pull,push"}}
	req, err := http.NewRequestWithContext(t.Context(), "GET", said["realm"]+"?"+query.Encode(), nil)
	must(t, "make a request", err)
	req.SetBasicAuth(builder.user, builder.secret)
	got := tokenOf(t, exchange(t, req))
	if got.ExpiresIn < 300 || got.ExpiresIn > 900 || got.IssuedAt == "" {
		t.Errorf("got a token for %d s of %q, want 300 to 900 s", got.ExpiresIn, got.IssuedAt)
	}
	if resp := builder.do(t, "GET", "/v2/", got.Token); resp.StatusCode != http.StatusOK {
		t.Errorf("ping with a token: got %s", resp.Status)
	}
	if resp := builder.do(t, "POST", "/v2/"+repo+"/blobs/uploads/", got.Token); resp.StatusCode != http.StatusAccepted {
		t.Errorf("begin an upload: got %s: %s", resp.Status, resp.body)
	}
}

// containerd, and Docker with its store, react to the 401 of each request, and
// send a form.
func TestContainerdTakesTheChallengeFromEachRequest(t *testing.T) {
	t.Parallel()
	builder := guarded(t).robot(t, "builder")
	repo := newRepoIn(t, "closed")
	for _, c := range []struct{ method, path, scope string }{
		{"HEAD", "/v2/" + repo + "/manifests/v1", "repository:" + repo + ":pull"},
		{"GET", "/v2/" + repo + "/tags/list", "repository:" + repo + ":pull"},
		{"POST", "/v2/" + repo + "/blobs/uploads/", "repository:" + repo + ":pull,push"},
		{"DELETE", "/v2/" + repo + "/manifests/v1", "repository:" + repo + ":delete"},
	} {
		said := challengeOf(t, builder.do(t, c.method, c.path, ""))
		if said["scope"] != c.scope || said["error"] != "" {
			t.Errorf("%s %s: the challenge is %v, want scope %s and no error", c.method, c.path, said, c.scope)
		}
		form := url.Values{
			"grant_type": {"password"}, "username": {builder.user}, "password": {builder.secret},
			"service": {said["service"]}, "scope": {said["scope"]}, "client_id": {"containerd-client"},
		}
		got := tokenOf(t, postForm(t, said["realm"], form))
		if resp := builder.do(t, c.method, c.path, got.AccessToken); resp.StatusCode == 401 || resp.StatusCode == 403 {
			t.Errorf("%s %s with a token: got %s: %s", c.method, c.path, resp.Status, resp.body)
		}
	}
}

func postForm(t *testing.T, to string, form url.Values) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", to, strings.NewReader(form.Encode()))
	must(t, "make a request", err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return exchange(t, req)
}

// containerd keeps a token that was refused unless it is told what is wrong
// with it.
func TestRefusedTokensSayWhy(t *testing.T) {
	t.Parallel()
	builder := guarded(t).robot(t, "builder")
	repo, other := newRepoIn(t, "closed"), newRepoIn(t, "closed")
	token := builder.token(t, "repository:"+repo+":pull")
	for name, c := range map[string]struct{ token, repo, want string }{
		"no token":        {"nonsense", repo, "invalid_token"},
		"a damaged one":   {token[:len(token)-4] + "AAAA", repo, "invalid_token"},
		"for another one": {token, other, "insufficient_scope"},
	} {
		said := challengeOf(t, builder.do(t, "GET", "/v2/"+c.repo+"/tags/list", c.token))
		if said["error"] != c.want || said["scope"] != "repository:"+c.repo+":pull" {
			t.Errorf("%s: the challenge is %v, want %s", name, said, c.want)
		}
	}
}

// docker login asks for no scope and for a token to keep, which then takes the
// place of the password.
func TestDockerLoginAndRefresh(t *testing.T) {
	t.Parallel()
	builder := guarded(t).robot(t, "builder")
	query := url.Values{"account": {builder.user}, "client_id": {"docker"}, "offline_token": {"true"}, "service": {"berth"}}
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+builder.host+"/token?"+query.Encode(), nil)
	must(t, "make a request", err)
	req.SetBasicAuth(builder.user, builder.secret)
	login := tokenOf(t, exchange(t, req))
	if login.RefreshToken == "" {
		t.Fatal("docker login got no token to keep")
	}
	repo := newRepoIn(t, "closed")
	got := tokenOf(t, postForm(t, "http://"+builder.host+"/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {login.RefreshToken}, "service": {"berth"},
		"client_id": {"docker"}, "scope": {"repository:" + repo + ":pull,push"},
	}))
	if resp := builder.do(t, "POST", "/v2/"+repo+"/blobs/uploads/", got.AccessToken); resp.StatusCode != http.StatusAccepted {
		t.Errorf("begin an upload: got %s: %s", resp.Status, resp.body)
	}
	if resp := builder.do(t, "GET", "/v2/", login.RefreshToken); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the token to keep opens the registry itself: got %s", resp.Status)
	}
	req.SetBasicAuth(builder.user, "wrong")
	if resp := exchange(t, req); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("docker login with a wrong password: got %s", resp.Status)
	}
}

// Some send the credentials straight away.
func TestBasicWorksEverywhere(t *testing.T) {
	t.Parallel()
	builder := guarded(t).robot(t, "builder")
	for path, want := range map[string]int{
		"/v2/": 200, "/v2/_catalog": 200,
		"/v2/" + newRepoIn(t, "closed") + "/tags/list": 404,
		"/v2/private/tags/list":                        403,
	} {
		for _, secret := range []string{builder.secret, "wrong"} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+builder.host+path, nil)
			must(t, "make a request", err)
			req.SetBasicAuth(builder.user, secret)
			want := want
			if secret == "wrong" {
				want = http.StatusUnauthorized
			}
			if resp := exchange(t, req); resp.StatusCode != want {
				t.Errorf("GET %s: got %s, want %d", path, resp.Status, want)
			}
		}
	}
}

// A token with many scopes still passes a gateway that has room for 10 KB of
// headers.
func TestTokensStaySmall(t *testing.T) {
	t.Parallel()
	builder := guarded(t).robot(t, "builder")
	var scopes []string
	for range 40 {
		scopes = append(scopes, "repository:"+newRepoIn(t, "closed")+":pull,push")
	}
	token := builder.token(t, scopes...)
	if len(token) < 4<<10 || len(token) > 7<<10 {
		t.Errorf("a token of 40 scopes has %d bytes, want a large one of at most 7 KiB", len(token))
	}
	if resp := builder.do(t, "GET", "/v2/", token); resp.StatusCode != http.StatusOK {
		t.Errorf("ping: got %s", resp.Status)
	}
}
