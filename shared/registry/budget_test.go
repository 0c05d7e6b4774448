package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// budget is a registry whose stores count.
type budget struct {
	team
	table *tabletest.Counting
	blobs *blobstest.Calls
}

func newBudget(t *testing.T) budget {
	tab, obj := stores(t)
	counting := tabletest.NewCounting(tab)
	store, calls := blobstest.Counting(obj)
	return budget{newTeamOn(t, counting, store, registry.Options{}), counting, calls}
}

// spends holds what do does to an exact budget. Keys and actions are not part
// of it unless given.
func (b budget) spends(what string, want tabletest.Counts, objects map[blobstest.Kind]int, do func() error) {
	b.Helper()
	b.table.Reset()
	b.blobs.Take()
	if err := do(); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	got := b.table.Reset()
	if want.Keys == 0 {
		got.Keys = 0
	}
	if want.Actions == 0 {
		got.Actions = 0
	}
	if got != want {
		b.Errorf("%s costs %+v of the table, want %+v", what, got, want)
	}
	if took := b.blobs.Take(); !maps.Equal(took, objects) {
		b.Errorf("%s costs %v of the blob store, want %v", what, took, objects)
	}
}

func TestBudgetOfReads(t *testing.T) {
	b := newBudget(t)
	small, large := b.blob(100), b.blob(100<<10)
	img := b.mustPut("1", image(small, []oci.Descriptor{large}, nil))
	ctx := t.Context()
	byDigest, byTag := oci.Reference{Digest: img.Digest}, oci.Reference{Tag: "1"}
	get := func(ref oci.Reference) func() error {
		return func() error { _, err := b.reg.Manifest(ctx, b.repo, ref); return err }
	}
	head := func(ref oci.Reference) func() error {
		return func() error { _, err := b.reg.StatManifest(ctx, b.repo, ref); return err }
	}
	one, two := tabletest.Counts{Gets: 1}, tabletest.Counts{Gets: 2}
	reads := func(referrers string) {
		b.spends("GET manifest by digest"+referrers, one, nil, get(byDigest))
		b.spends("GET manifest by tag"+referrers, two, nil, get(byTag))
		b.spends("HEAD manifest by digest"+referrers, one, nil, head(byDigest))
		b.spends("HEAD manifest by tag"+referrers, two, nil, head(byTag))
	}
	reads("")
	for _, d := range []oci.Descriptor{small, large} {
		b.spends("HEAD blob", one, nil, func() error { _, err := b.reg.StatBlob(ctx, b.repo, d.Digest); return err })
	}
	b.spends("GET small blob", one, nil, b.read(small.Digest))
	b.spends("GET blob", one, map[blobstest.Kind]int{blobstest.Open: 1}, b.read(large.Digest))
	b.spends("list tags", tabletest.Counts{Queries: 1}, nil, func() error {
		_, _, err := b.reg.Tags(ctx, b.repo, "", 100)
		return err
	})
	b.spends("list repositories", tabletest.Counts{Queries: 1}, nil, func() error {
		_, _, err := b.reg.Repositories(ctx, "", 100)
		return err
	})
	for n := range 1000 {
		b.mustPut("", referrer(small, img, fmt.Sprintf("application/vnd.t%d", n%100), n))
	}
	reads(" of 1,000 referrers")
	b.spends("list referrers of one type", tabletest.Counts{Queries: 1}, nil, func() error {
		_, err := b.reg.Referrers(ctx, b.repo, img.Digest, "application/vnd.t7", "")
		return err
	})
	b.spends("list referrers", tabletest.Counts{Queries: 1}, nil, func() error {
		_, err := b.reg.Referrers(ctx, b.repo, img.Digest, "", "")
		return err
	})
	b.spends("attach one more", tabletest.Counts{GetManys: 1, Gets: 1, Transacts: 1}, nil, func() error {
		_, err := b.put("", referrer(small, img, "application/vnd.t7", 1000))
		return err
	})
}

// located is a store with URLs; that is all a test needs of them.
type located struct{ blobs.Store }

func (located) ReadURL(_ context.Context, key, method string, _ time.Duration) (string, error) {
	return "https://store.test/" + key + "?" + method, nil
}

func (located) WriteURL(context.Context, string, int64, []byte, time.Duration) (string, http.Header, error) {
	return "", nil, nil
}

func TestBudgetOfRedirects(t *testing.T) {
	tab, obj := stores(t)
	counting := tabletest.NewCounting(tab)
	store, calls := blobstest.Counting(located{obj})
	b := budget{newTeamOn(t, counting, store, registry.Options{}), counting, calls}
	small, large := b.blob(100), b.blob(100<<10)
	locate := func(d oci.Descriptor, want string) func() error {
		return func() error {
			blob, err := b.reg.Blob(t.Context(), b.repo, d.Digest)
			if err != nil {
				return err
			}
			url, err := b.reg.BlobURL(t.Context(), blob, http.MethodGet, time.Minute)
			if !strings.HasPrefix(url, want) || want == "" && url != "" {
				t.Errorf("got URL %q, want %q", url, want)
			}
			return err
		}
	}
	one := tabletest.Counts{Gets: 1}
	b.spends("locate blob", one, map[blobstest.Kind]int{blobstest.ReadURL: 1}, locate(large, "https://store.test/blobs/"))
	b.spends("locate small blob", one, nil, locate(small, ""))
}

func (b budget) read(d oci.Digest) func() error {
	return func() error {
		blob, err := b.reg.Blob(b.Context(), b.repo, d)
		if err != nil {
			return err
		}
		f, err := b.reg.OpenBlob(b.Context(), blob)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	}
}

func TestBudgetOfWrites(t *testing.T) {
	b := newBudget(t)
	ctx := t.Context()
	var u registry.Upload
	small, large := payload(100), payload(100<<10)
	begin := func() (err error) { u, err = b.reg.StartUpload(ctx, b.repo, ""); return err }
	send := func(body []byte) func() error {
		return func() error {
			_, err := b.reg.AppendUpload(ctx, b.repo, u.ID, 0, int64(len(body)), bytes.NewReader(body))
			return err
		}
	}
	finish := func(body, rest []byte) func() error {
		return func() error {
			_, err := b.reg.FinishUpload(ctx, b.repo, u.ID, -1, int64(len(rest)), oci.SHA256.Sum(body), bytes.NewReader(rest))
			return err
		}
	}
	b.spends("POST", tabletest.Counts{}, nil, begin)
	b.spends("PATCH small", tabletest.Counts{Gets: 1, Transacts: 1}, nil, send(small))
	b.spends("PUT small", tabletest.Counts{Gets: 1, GetManys: 1, Transacts: 1}, nil, finish(small, nil))
	b.spends("POST", tabletest.Counts{}, nil, begin)
	b.spends("PATCH", tabletest.Counts{Gets: 1, Transacts: 1}, map[blobstest.Kind]int{blobstest.Append: 1}, send(large))
	b.spends("PUT", tabletest.Counts{Gets: 1, GetManys: 1, Transacts: 2}, map[blobstest.Kind]int{blobstest.Complete: 1}, finish(large, nil))
	b.spends("POST with digest", tabletest.Counts{GetManys: 1, Transacts: 1}, nil, func() error {
		body := payload(100)
		return b.reg.PutBlob(ctx, b.repo, int64(len(body)), oci.SHA256.Sum(body), bytes.NewReader(body))
	})
	b.spends("mount", tabletest.Counts{Gets: 2, GetManys: 1, Transacts: 1}, nil, func() error {
		return b.reg.Mount(ctx, "team/other", b.repo, oci.SHA256.Sum(large))
	})
}

func TestBudgetOfManifests(t *testing.T) {
	b := newBudget(t)
	config := b.blob(100)
	var layers []oci.Descriptor
	for range 120 {
		layers = append(layers, b.blob(100))
	}
	for _, c := range []struct {
		layers                       int
		keys, reads, transacts, acts int
	}{
		{1, 5, 1, 1, 3 + 2*2}, // the manifest, the tag and its edge; a check and an edge per child
		{8, 12, 1, 1, 3 + 2*9},
		{47, 51, 1, 1, 3 + 2*48},
		{48, 52, 1, 2, 3 + 2*49 + 1}, // beyond 100 actions: children first, each time with the mark
		{96, 100, 1, 3, 3 + 2*97 + 2},
		{120, 124, 2, 4, 3 + 2*121 + 3},
	} {
		body := image(config, layers[:c.layers], nil)
		want := tabletest.Counts{GetManys: c.reads, Keys: c.keys, Transacts: c.transacts, Actions: c.acts}
		b.spends(fmt.Sprintf("PUT image of %d layers", c.layers), want, nil, func() error {
			_, err := b.put(fmt.Sprintf("l%d", c.layers), body)
			return err
		})
		want = tabletest.Counts{GetManys: 1, Transacts: 1}
		b.spends("tag a known digest", want, nil, func() error { _, err := b.put(fmt.Sprintf("again%d", c.layers), body); return err })
		want = tabletest.Counts{GetManys: 1}
		b.spends("push again", want, nil, func() error { _, err := b.put(fmt.Sprintf("l%d", c.layers), body); return err })
	}
}
