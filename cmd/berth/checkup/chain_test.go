package checkup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/infra/localcloud/httpapi"
	"github.com/berthregistry/berth/shared/blobs"
	blobfiles "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/probe"
	"github.com/berthregistry/berth/shared/registry"
	tablefile "github.com/berthregistry/berth/shared/table/local"
)

const repository = "team/probe"

// setup is how a registry is deployed.
type setup struct {
	door  distribution.Door
	front httpapi.Deviations
	rules registry.Rules
	wrap  func(http.Handler) http.Handler // what else is in front, or nil
	bare  bool                            // no gateway: for what does not depend on one, since it takes time
}

// asServed is what berth serve makes.
func asServed() setup {
	return setup{bare: true, rules: registry.Rules{ReferrersHeader: registry.HeaderAlways}}
}

// asDeployed is what template.yaml's defaults make.
func asDeployed() setup {
	return setup{
		door:  distribution.Door{Inline: 4 << 20, Headless: true, Request: 4_500_000},
		rules: registry.Rules{ReferrersHeader: registry.HeaderAlways},
	}
}

// A deployment is a registry on the stores of this machine, behind the gateway
// of the functions, behind a front door such as API Gateway's.
type deployment struct {
	url    *url.URL
	items  *tablefile.Store
	folder string // of the bucket
}

func deploy(t *testing.T, s setup) *deployment {
	t.Helper()
	d := &deployment{folder: filepath.Join(t.TempDir(), "blobs")}
	var err error
	if d.items, err = tablefile.Open(filepath.Join(t.TempDir(), "table"), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.items.Close() })
	files, err := blobfiles.Open(d.folder)
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.New(d.items, newBucket(t, files), registry.Options{Rules: func(string) registry.Rules { return s.rules }})
	h := probe.New(distribution.New(reg, distribution.Options{Door: s.door}))
	front := h
	if !s.bare {
		if front, err = httpapi.New(httpapi.Config{Deviations: s.front, Routes: routesTo(gateway.New(h))}); err != nil {
			t.Fatal(err)
		}
	}
	if s.wrap != nil {
		front = s.wrap(front)
	}
	d.url = listen(t, front)
	return d
}

// listen serves a front door, and needs nothing of what httptest adds.
func listen(t *testing.T, front http.Handler) *url.URL {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpapi.NewServer(front)
	server.Start()
	t.Cleanup(server.Close)
	where, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return where
}

// routesTo are those of template.yaml, all to one function.
func routesTo(function func(context.Context, gateway.Request) (gateway.Response, error)) []httpapi.Route {
	invoke := func(ctx context.Context, raw []byte) ([]byte, error) {
		var event gateway.Request
		if err := json.Unmarshal(raw, &event); err != nil {
			return nil, err
		}
		out, err := function(ctx, event)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
	routes := []httpapi.Route{{Path: "$default", Invoke: invoke}}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		routes = append(routes, httpapi.Route{Method: method, Path: "/{proxy+}", Invoke: invoke})
	}
	return routes
}

// A bucket is a store with a server that answers its URLs as S3 would: to one
// method, for a while, and to nobody who shows credentials.
type bucket struct {
	blobs.Store
	url string
}

var _ blobs.Locator = (*bucket)(nil)

func newBucket(t *testing.T, files blobs.Store) *bucket {
	t.Helper()
	b := &bucket{Store: files}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *bucket) ReadURL(_ context.Context, key, method string, valid time.Duration) (string, error) {
	return fmt.Sprintf("%s/%s?method=%s&until=%d", b.url, key, method, time.Now().Add(valid).Unix()), nil
}

func (*bucket) WriteURL(context.Context, string, int64, []byte, time.Duration) (string, http.Header, error) {
	return "", nil, errors.New("nobody writes by URL here")
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var until int64
	_, _ = fmt.Sscan(r.FormValue("until"), &until)
	switch {
	case r.Header.Get("Authorization") != "":
		http.Error(w, "only one auth mechanism is allowed", http.StatusBadRequest)
		return
	case r.FormValue("method") != r.Method || time.Now().Unix() > until:
		http.Error(w, "SignatureDoesNotMatch", http.StatusForbidden)
		return
	}
	f, err := b.Open(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), 0) // files know their size
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

// examine runs the checks against a registry.
func examine(t *testing.T, where *url.URL) checkup.Report {
	t.Helper()
	report, err := checkup.Examine(t.Context(), config(t, where))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func config(t *testing.T, where *url.URL) checkup.Config {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return checkup.Config{URL: where, Repository: repository, Client: client, Anonymous: client}
}
