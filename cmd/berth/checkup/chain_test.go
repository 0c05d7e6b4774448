package checkup_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/infra/localcloud/httpapi"
	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
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
	url   *url.URL
	items *tablefile.Store
	left  func() []string // what is in the bucket
}

func deploy(t *testing.T, s setup) *deployment {
	t.Helper()
	d := &deployment{}
	var err error
	if d.items, err = tablefile.Open(filepath.Join(t.TempDir(), "table"), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.items.Close() })
	reg := registry.New(d.items, d.newBucket(t, s.bare), registry.Options{Rules: func(string) registry.Rules { return s.rules }})
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

// newBucket returns a store of files as berth serve has it, or one like S3, with a
// server that refuses whoever shows credentials beside those of its URLs.
func (d *deployment) newBucket(t *testing.T, files bool) blobs.Store {
	t.Helper()
	if files {
		folder := filepath.Join(t.TempDir(), "blobs")
		store, err := blobfiles.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		d.left = func() []string { return filesIn(t, folder) }
		return store
	}
	var store *blobstest.Memory
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			http.Error(w, "only one auth mechanism is allowed", http.StatusBadRequest)
			return
		}
		store.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	store = blobstest.NewMemory(blobstest.MemoryOptions{Base: server.URL})
	d.left = func() []string { return append(store.Keys(), store.Uploads()...) }
	return store
}

func filesIn(t *testing.T, folder string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			found = append(found, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
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
