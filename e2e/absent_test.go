package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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
	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/e2e/berth"
	"github.com/berthregistry/berth/shared/absent"
)

// A gauge stands before the registry that the tests share and counts what it is
// asked for referrers.
type gauge struct {
	host  string
	asked atomic.Int64
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

// Oras asks for what refers to a referrer before it has fetched that, so nobody
// can have told it. Of what it resolves it hears.
func TestOrasAsksLessThroughTheProxy(t *testing.T) {
	t.Parallel()
	source, g := newRepo(t), newGauge(t)
	app := attach(t, orasRepo(t, source), "application/x.app", nil)
	if err := orasRepo(t, source).Tag(t.Context(), app, tag); err != nil {
		t.Fatal(err)
	}
	copied := func(a account) func() error {
		return func() error {
			from, _, err := a.oras(source)
			if err != nil {
				return err
			}
			to, _, err := a.oras(newRepo(t))
			if err != nil {
				return err
			}
			_, err = oras.ExtendedCopy(t.Context(), from, tag, to, tag, oras.DefaultExtendedCopyOptions)
			return err
		}
	}
	past := g.during(t, "copy", copied(account{host: g.host}))
	through := g.during(t, "copy", copied(behindGauge(t, g)))
	if past != 1 || through != 0 {
		t.Errorf("got %d requests past the proxy, want 1, and %d through it, want 0", past, through)
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
