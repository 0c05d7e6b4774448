package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// must fails the test if what should have worked did not.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// refused fails the test if what should have been refused was not.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: it worked, and must not", what)
	}
}

// withEach runs a test once with each client.
func withEach(t *testing.T, test func(t *testing.T, c accountClient)) {
	for _, c := range accountClients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "skopeo" {
				command(t, c.name)
			}
			test(t, c)
		})
	}
}

// A robot logs in, pushes and pulls; somebody with a wrong secret, or none,
// gets nothing.
func TestRobotsLogIn(t *testing.T) {
	builder := guarded(t).robot(t, "builder")
	content := newIndexLayout(t)
	withEach(t, func(t *testing.T, c accountClient) {
		ctx, ref := t.Context(), newRepoIn(t, "closed")+":v1"
		must(t, "push", c.push(builder, ctx, content, ref))
		got := t.TempDir()
		must(t, "pull", c.pull(builder, ctx, ref, got))
		checkSame(t, content, got)

		stranger := account{host: builder.host}
		refused(t, "pull without credentials", c.pull(stranger, ctx, ref, t.TempDir()))
		refused(t, "push without credentials", c.push(stranger, ctx, content, ref))
		liar := account{builder.host, builder.user, builder.secret[:len(builder.secret)-1] + "x"}
		refused(t, "pull with a wrong secret", c.pull(liar, ctx, ref, t.TempDir()))
	})
}

func TestAnybodyPullsWhatIsPublic(t *testing.T) {
	builder := guarded(t).robot(t, "builder")
	content := newIndexLayout(t)
	withEach(t, func(t *testing.T, c accountClient) {
		ctx, ref := t.Context(), newRepoIn(t, "public")+":v1"
		must(t, "push", c.push(builder, ctx, content, ref))
		stranger, got := account{host: builder.host}, t.TempDir()
		must(t, "pull without credentials", c.pull(stranger, ctx, ref, got))
		checkSame(t, content, got)
		refused(t, "push without credentials", c.push(stranger, ctx, newLayout(t, newImage(t, 1<<10)), ref))
	})
}

// Who may pull releases pulls a whole multi-platform image by its tag, and
// nothing of what no release has, also not by digest.
func TestPullsAreLimitedToTags(t *testing.T) {
	g := guarded(t)
	builder, production := g.robot(t, "builder"), g.robot(t, "production")
	release, secret := newIndexLayout(t), newIndexLayout(t)
	withEach(t, func(t *testing.T, c accountClient) {
		ctx, repo := t.Context(), newRepoIn(t, "closed")
		must(t, "push", c.push(builder, ctx, release, repo+":release-1"))
		must(t, "push", c.push(builder, ctx, secret, repo+":dev"))
		got := t.TempDir()
		must(t, "pull a release", c.pull(production, ctx, repo+":release-1", got))
		checkSame(t, release, got)
		must(t, "pull a release by digest", c.pull(production, ctx, repo+"@"+rootDigest(t, release), t.TempDir()))
		refused(t, "pull another tag", c.pull(production, ctx, repo+":dev", t.TempDir()))
		refused(t, "pull another digest", c.pull(production, ctx, repo+"@"+rootDigest(t, secret), t.TempDir()))

		must(t, "move the tag", c.push(builder, ctx, secret, repo+":release-1"))
		must(t, "pull what is released now", c.pull(production, ctx, repo+"@"+rootDigest(t, secret), t.TempDir()))
		refused(t, "pull what was released", c.pull(production, ctx, repo+"@"+rootDigest(t, release), t.TempDir()))
	})
}

// Who may push releases only does so with clients that know nothing of it:
// they look, upload, look again, and push manifests by digest before the tag.
func TestPushesAreLimitedToTags(t *testing.T) {
	g := guarded(t)
	builder, manager := g.robot(t, "builder"), g.robot(t, "manager")
	content, other := newIndexLayout(t), newIndexLayout(t)
	withEach(t, func(t *testing.T, c accountClient) {
		ctx, repo := t.Context(), newRepoIn(t, "closed")
		must(t, "push a release", c.push(manager, ctx, content, repo+":release-1"))
		must(t, "push it again", c.push(manager, ctx, content, repo+":release-2"))
		got := t.TempDir()
		must(t, "pull it", c.pull(manager, ctx, repo+":release-2", got))
		checkSame(t, content, got)
		refused(t, "push another tag", c.push(manager, ctx, content, repo+":dev"))

		// What is there under a tag that the manager does not see is sent again.
		must(t, "push", c.push(builder, ctx, other, repo+":dev"))
		must(t, "release what somebody else has built", c.push(manager, ctx, other, repo+":release-3"))
	})
}

// A scanner attaches what it found, and can neither tag nor push an image.
func TestScannersAttach(t *testing.T) {
	t.Parallel()
	g := guarded(t)
	builder, scanner := g.robot(t, "builder"), g.robot(t, "scanner")
	ctx, name, image := t.Context(), newRepoIn(t, "closed"), newLayout(t, newImage(t, 1<<10))
	must(t, "push", builder.cranePush(ctx, image, name+":v1"))
	repo, _, err := scanner.oras(name)
	must(t, "open", err)
	subject, err := repo.Resolve(ctx, "v1")
	must(t, "resolve", err)
	found, err := pushArtifact(ctx, repo, "application/x.findings", &subject)
	must(t, "attach", err)
	if got := discover(t, repo, subject, ""); !slices.Equal(got, []digest.Digest{found.Digest}) {
		t.Errorf("got referrers %v, want %s", got, found.Digest)
	}
	refused(t, "tag", repo.Tag(ctx, found, "v2"))
	_, err = pushArtifact(ctx, repo, "application/x.thing", nil)
	refused(t, "push without a subject", err)
	refused(t, "push an image", scanner.cranePush(ctx, newLayout(t, newImage(t, 1<<10)), name+":v3"))
}

// A rule that denies wins over those that allow.
func TestDenialsWin(t *testing.T) {
	t.Parallel()
	builder := guarded(t).robot(t, "builder")
	ctx, image := t.Context(), newLayout(t, newImage(t, 1<<10))
	for folder, kept := range map[string]bool{"closed": false, "public": true} {
		name := newRepoIn(t, folder)
		must(t, "push", builder.cranePush(ctx, image, name+":v1"))
		repo, _, err := builder.oras(name)
		must(t, "open", err)
		d, err := repo.Resolve(ctx, "v1")
		must(t, "resolve", err)
		if err := repo.Delete(ctx, d); (err != nil) != kept {
			t.Errorf("delete in %s: got %v, want it kept: %t", name, err, kept)
		}
	}
}

// What is mounted must be what may be pulled where it is.
func TestMountsNeedThePull(t *testing.T) {
	t.Parallel()
	g := guarded(t)
	builder, manager := g.robot(t, "builder"), g.robot(t, "manager")
	ctx, blob := t.Context(), randomBytes(100)
	d := ociDescriptor(ocispec.MediaTypeImageLayer, blob, digest.SHA256)
	source, target := newRepoIn(t, "elsewhere"), newRepoIn(t, "closed")
	from, _, err := builder.oras(source)
	must(t, "open", err)
	must(t, "push", from.Push(ctx, d, strings.NewReader(string(blob))))
	for _, query := range []string{"?from=" + source + "&mount=" + d.Digest.String(), "?mount=" + d.Digest.String()} {
		resp := manager.do(t, "POST", "/v2/"+target+"/blobs/uploads/"+query, manager.token(t, "repository:"+target+":pull,push"))
		if resp.StatusCode != http.StatusAccepted {
			t.Errorf("mount%s: got %s, want an upload to be begun", query, resp.Status)
		}
	}
}

// Nobody who may not see a repository hears whether it exists.
func TestRepositoriesAreNotGuessed(t *testing.T) {
	t.Parallel()
	g := guarded(t)
	builder, production := g.robot(t, "builder"), g.robot(t, "production")
	there, not := newRepoIn(t, "elsewhere"), newRepoIn(t, "elsewhere")
	must(t, "push", builder.cranePush(t.Context(), newLayout(t, newImage(t, 1<<10)), there+":v1"))
	for _, token := range []string{"", production.token(t, "repository:"+there+":pull", "repository:"+not+":pull")} {
		for _, path := range []string{"/tags/list", "/manifests/v1", "/blobs/" + digest.FromString("x").String()} {
			var answers []string
			for _, repo := range []string{there, not} {
				resp := production.do(t, "GET", "/v2/"+repo+path, token)
				answers = append(answers, strings.ReplaceAll(resp.Status+resp.Header.Get("Www-Authenticate")+resp.body, repo, "R"))
			}
			if answers[0] != answers[1] {
				t.Errorf("%s: %q if it exists, %q if not", path, answers[0], answers[1])
			}
		}
	}
	resp := production.do(t, "GET", "/v2/_catalog", production.token(t, "registry:catalog:*"))
	if resp.StatusCode != http.StatusOK || strings.Contains(resp.body, "elsewhere/") {
		t.Errorf("the catalog: got %s %.200s, want it without what may not be pulled", resp.Status, resp.body)
	}
}

// The header that says what is being pushed has a forbidden tag refused before
// any byte is sent.
func TestHintsRefuseEarly(t *testing.T) {
	t.Parallel()
	manager := guarded(t).robot(t, "manager")
	repo := newRepoIn(t, "closed")
	token := manager.token(t, "repository:"+repo+":pull,push")
	for hint, want := range map[string]int{"release-7": http.StatusAccepted, "dev": http.StatusForbidden} {
		resp := manager.do(t, "POST", "/v2/"+repo+"/blobs/uploads/", token, "OCI-Ref", manager.host+"/"+repo+":"+hint)
		if resp.StatusCode != want {
			t.Errorf("begin to push %s: got %s, want %d", hint, resp.Status, want)
		}
	}
}

// An answer is a response, read.
type answer struct {
	*http.Response
	body string
}

// do sends a request with a bearer token, "" for none.
func (a account) do(t *testing.T, method, target, token string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.host+target, nil)
	must(t, "make a request", err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return exchange(t, req)
}

func exchange(t *testing.T, req *http.Request) answer {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, req.Method+" "+req.URL.Path, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, "read an answer", err)
	return answer{resp, string(body)}
}

// token fetches one as docker does.
func (a account) token(t *testing.T, scopes ...string) string {
	t.Helper()
	query := url.Values{"service": {"berth"}, "account": {a.user}, "scope": scopes}
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+a.host+"/token?"+query.Encode(), nil)
	must(t, "make a request", err)
	if a.user != "" {
		req.SetBasicAuth(a.user, a.secret)
	}
	resp := exchange(t, req)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("fetch a token: got %s: %s", resp.Status, resp.body)
	}
	return tokenOf(t, resp).Token
}

// A grant is what a token endpoint answers.
type grant struct {
	Token        string `json:"token"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
	IssuedAt     string `json:"issued_at"`
}

func tokenOf(t *testing.T, resp answer) grant {
	t.Helper()
	var g grant
	must(t, "read a token", json.Unmarshal([]byte(resp.body), &g))
	if g.Token == "" && g.AccessToken == "" {
		t.Fatalf("there is no token in %s", resp.body)
	}
	return g
}

// rootDigest returns the digest of what a layout has as v1.
func rootDigest(t *testing.T, dir string) string {
	t.Helper()
	d, err := orasLayout(t, dir).Resolve(context.Background(), tag)
	must(t, "resolve", err)
	return fmt.Sprint(d.Digest)
}
