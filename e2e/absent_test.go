package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/regclient/regclient"
	"github.com/regclient/regclient/config"
	"github.com/regclient/regclient/scheme/reg"
	"github.com/regclient/regclient/types/errs"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/e2e/berth"
	"github.com/berthregistry/berth/shared/absent"
)

// A gauge stands before the registry that the tests share and counts what it is
// asked for referrers, and for anything at all in a repository.
type gauge struct {
	host       string
	asked, all atomic.Int64
}

func newGauge(t *testing.T) *gauge {
	t.Helper()
	var g gauge
	behind := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: host})
		p.Out.Host = p.In.Host // so that uploads go on here
	}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/referrers/") {
			g.asked.Add(1)
		}
		if r.URL.Path != "/v2/" { // as the proxy does when it starts
			g.all.Add(1)
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	g.host = strings.TrimPrefix(web.URL, "http://")
	return &g
}

// during counts what is asked while something is done.
func (g *gauge) during(t *testing.T, what string, do func() error) int64 {
	t.Helper()
	before := g.asked.Load()
	must(t, what, do())
	return g.asked.Load() - before
}

// behindGauge is berth proxy before a gauge.
func behindGauge(t *testing.T, g *gauge) account {
	t.Helper()
	command, err := builtBerth()
	if err != nil {
		t.Fatal(err)
	}
	server, err := berth.StartProxy(context.Background(), command, "http://"+g.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, "stop the proxy", server.Stop()) })
	return account{host: server.Addr}
}

// How many manifests pushSigned pushes, and how many of them nothing refers to.
const signedManifests, unreferred = 8, 3

// pushSigned pushes an index of two manifests with an SBOM each, and a signature
// of all but those two. It returns the index and the SBOMs.
func pushSigned(t *testing.T, name string) (index ocispec.Descriptor, sboms []ocispec.Descriptor) {
	t.Helper()
	repo := orasRepo(t, name)
	list := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for range 2 {
		app := attach(t, repo, "application/x.app", nil)
		list.Manifests = append(list.Manifests, app)
		sbom := attach(t, repo, "application/x.sbom", &app)
		attach(t, repo, "application/x.signature", &sbom)
		sboms = append(sboms, sbom)
	}
	raw := marshal(t, list)
	index = ociDescriptor(ocispec.MediaTypeImageIndex, raw, digest.SHA256)
	if err := repo.PushReference(t.Context(), index, strings.NewReader(string(raw)), tag); err != nil {
		t.Fatalf("push an index: %v", err)
	}
	attach(t, repo, "application/x.signature", &index)
	return index, sboms
}

// A deep copy asks for the referrers of each manifest. Behind the proxy those
// requests do not reach the registry that it has answered with the manifest.
func TestRegclientAsksLessThroughTheProxy(t *testing.T) {
	t.Parallel()
	source, g := newRepo(t), newGauge(t)
	index, sboms := pushSigned(t, source)
	copied := func(a account, target string) func() error {
		return func() error {
			return a.regclientCopy(t.Context(), a.host+"/"+source+":"+tag, a.host+"/"+target+":"+tag, regclient.ImageWithReferrers())
		}
	}
	past := g.during(t, "copy", copied(account{host: g.host}, newRepo(t)))
	target := newRepo(t)
	through := g.during(t, "copy", copied(behindGauge(t, g), target))
	t.Logf("%d requests for referrers past the proxy, %d through it", past, through)
	// Where the machine is slow, the moment may pass between a manifest and its list.
	if past != signedManifests || through < past-unreferred || through >= past {
		t.Errorf("got %d requests past the proxy, want %d, and %d through it, want %d", past, signedManifests, through, past-unreferred)
	}
	repo := orasRepo(t, target)
	for i, subject := range append(sboms, index) {
		if got := discover(t, repo, subject, ""); len(got) != 1 {
			t.Errorf("%d: got referrers %q of %s, want one", i, got, subject.Digest)
		}
	}
}

// pushNested pushes an artifact with an SBOM and an attestation, a signature of
// each of these, and one of a signature: six manifests, of which nothing refers to
// two. The first has the tag.
func pushNested(t *testing.T, name string) {
	t.Helper()
	repo := orasRepo(t, name)
	app := attach(t, repo, "application/x.app", nil)
	sbom := attach(t, repo, "application/x.sbom", &app)
	attestation := attach(t, repo, "application/x.attestation", &app)
	signature := attach(t, repo, "application/x.signature", &sbom)
	attach(t, repo, "application/x.signature", &signature)
	attach(t, repo, "application/x.signature", &attestation)
	if err := repo.Tag(t.Context(), app, tag); err != nil {
		t.Fatal(err)
	}
}

// Oras asks what refers to a referrer before it fetches that, so the proxy fetches
// it first: those that nothing refers to cost no list, and no manifest is fetched
// twice.
func TestOrasAsksLessThroughTheProxy(t *testing.T) {
	t.Parallel()
	source, g := newRepo(t), newGauge(t)
	pushNested(t, source)
	copied := func(a account) (asked, all int64) {
		from, _, err := a.oras(source)
		if err != nil {
			t.Fatal(err)
		}
		before, to := g.all.Load(), memory.New()
		asked = g.during(t, "copy", func() error {
			_, err := oras.ExtendedCopy(t.Context(), from, tag, to, tag, oras.DefaultExtendedCopyOptions)
			return err
		})
		app, err := to.Resolve(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := to.Predecessors(t.Context(), app); err != nil || len(got) != 2 {
			t.Errorf("got %d referrers, %v, want 2", len(got), err)
		}
		return asked, g.all.Load() - before
	}
	past, allPast := copied(account{host: g.host})
	through, allThrough := copied(behindGauge(t, g))
	t.Logf("past the proxy %d requests, %d for referrers; through it %d, %d for referrers", allPast, past, allThrough, through)
	if past != 6 || through != 4 || allThrough != allPast-2 {
		t.Errorf("got %d of %d requests past the proxy, want 6, and %d of %d through it, want 4 and two fewer", past, allPast, through, allThrough)
	}
}

// builtOras is the oras command in the version that is measured, too.
func builtOras(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oras")
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=readonly", "-o", path, ".")
	build.Dir = filepath.Join("..", "bench", "tool", "oras")
	switch out, err := build.CombinedOutput(); {
	case err == nil:
		return path
	case os.Getenv("BERTH_TEST_REQUIRE") != "":
		t.Fatalf("build oras: %v\n%s", err, out)
	}
	t.Skip("oras cannot be built here: its modules are not to be had")
	return ""
}

// The command of the same name looks at an index, and for what refers to its
// manifests, before it copies.
func TestOrasCommandAsksLessThroughTheProxy(t *testing.T) {
	t.Parallel()
	command, source, g := builtOras(t), newRepo(t), newGauge(t)
	pushSigned(t, source)
	copied := func(a account) (asked, all int64) {
		before, to := g.all.Load(), t.TempDir()
		asked = g.during(t, "copy", func() error {
			run(t, command, "copy", "--recursive", "--no-tty", "--from-plain-http", "--to-oci-layout", a.host+"/"+source+":"+tag, to+":"+tag)
			return nil
		})
		if got := len(blobsOf(t, to)); got != 16 { // 8 manifests, 7 files, 1 config
			t.Errorf("got %d blobs, want 16", got)
		}
		return asked, g.all.Load() - before
	}
	past, allPast := copied(account{host: g.host})
	through, allThrough := copied(behindGauge(t, g))
	t.Logf("past the proxy %d requests, %d for referrers; through it %d, %d for referrers", allPast, past, allThrough, through)
	if past != signedManifests || through != past-unreferred || allThrough > allPast-unreferred {
		t.Errorf("got %d of %d requests past the proxy, and %d of %d through it, want %d fewer", past, allPast, through, allThrough, unreferred)
	}
}

// What is attached through the proxy by one client is seen by another at once.
func TestProxyShowsWhatWasJustAttached(t *testing.T) {
	t.Parallel()
	through, name := behindGauge(t, newGauge(t)), newRepo(t)
	open := func() *orasremote.Repository {
		repo, _, err := through.oras(name)
		if err != nil {
			t.Fatal(err)
		}
		return repo
	}
	app := attach(t, open(), "application/x.app", nil)
	for n := range 5 {
		if _, err := open().Resolve(t.Context(), app.Digest.String()); err != nil {
			t.Fatal(err)
		}
		if got := discover(t, open(), app, ""); len(got) != n {
			t.Errorf("got %d referrers, want %d", len(got), n)
		}
		attach(t, open(), "application/x.sbom", &app)
	}
}

// With regclient the Transport goes into its HTTP client.
func TestAbsentBeneathRegclient(t *testing.T) {
	t.Parallel()
	source, g := newRepo(t), newGauge(t)
	pushSigned(t, source)

	spared := &absent.Transport{Reference: g.host + "/" + source + ":" + tag}
	rc := regclient.New(
		regclient.WithConfigHost(config.Host{Name: g.host, Hostname: g.host, TLS: config.TLSDisabled}),
		regclient.WithRegOpts(reg.WithHTTPClient(&http.Client{Transport: spared})),
	)
	from, to := regRef(t, g.host+"/"+source+":"+tag), regRef(t, "ocidir://"+t.TempDir()+":"+tag)
	got := g.during(t, "copy", func() error { return rc.ImageCopy(t.Context(), from, to, regclient.ImageWithReferrers()) })

	if n := spared.Spared(); n == 0 || n > unreferred || got != signedManifests-n {
		t.Errorf("%d requests were spared, and %d made, of %d", n, got, signedManifests)
	}
	if _, err := rc.ManifestHead(t.Context(), from.SetTag("none")); err == nil || !strings.Contains(err.Error(), errs.ErrNotFound.Error()) {
		t.Errorf("got %v, want what the registry says", err)
	}
}

// With go-containerregistry the Transport goes beneath a Puller, whose one login
// is for all that it pulls: with another one it would ask.
func TestAbsentBeneathGoContainerregistry(t *testing.T) {
	t.Parallel()
	source, g := newRepo(t), newGauge(t)
	index, sboms := pushSigned(t, source)

	spared := new(absent.Transport)
	puller, err := remote.NewPuller(remote.WithTransport(spared), remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := name.NewRepository(g.host + "/" + source)
	if err != nil {
		t.Fatal(err)
	}
	// referrers fetches a manifest, and then lists what refers to it.
	referrers := func(d digest.Digest) (list []digest.Digest) {
		if _, err := remote.Get(repo.Digest(d.String()), remote.Reuse(puller)); err != nil {
			t.Fatal(err)
		}
		found, err := remote.Referrers(repo.Digest(d.String()), remote.Reuse(puller))
		if err != nil {
			t.Fatal(err)
		}
		m, err := found.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range m.Manifests {
			list = append(list, digest.Digest(d.Digest.String()))
		}
		return list
	}
	for _, subject := range append(sboms, index) {
		list := referrers(subject.Digest)
		if len(list) != 1 {
			t.Fatalf("got referrers %q of %s, want one", list, subject.Digest)
		}
		if further := referrers(list[0]); len(further) != 0 {
			t.Errorf("got referrers %q of %s, want none", further, list[0])
		}
	}
	if got, n := g.asked.Load(), spared.Spared(); got != 3 || n != 3 {
		t.Errorf("%d requests were made, and %d spared, want 3 and 3", got, n)
	}
}
