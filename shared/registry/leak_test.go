package registry_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// TestNoLeakAfterMove: a tag goes to and fro while readers of it ask for what
// only one of the two images has. During a move they are told either, but not
// once it was answered.
func TestNoLeakAfterMove(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		config, layer := tm.blob(100), tm.blob(100)
		shown := image(config, []oci.Descriptor{layer}, nil)
		img := tm.mustPut("", shown)
		bare := tm.mustPut("bare", image(config, nil, nil))
		shownIndex, bareIndex := index([]oci.Descriptor{img}, nil), index([]oci.Descriptor{bare}, nil)
		reader := func(hints ...oci.Reference) *registry.Registry {
			return tm.reg.For(registry.Rights{Pull: only("1"), Hints: hints})
		}
		readers := []*registry.Registry{reader(), reader(byTag("1")), reader(byTag("1"), byDigest(shown))}
		for round := range 5 {
			var reading sync.WaitGroup
			stop, end := context.WithCancel(t.Context())
			for _, r := range readers {
				reading.Go(func() {
					for stop.Err() == nil {
						if _, err := r.Blob(t.Context(), tm.repo, layer.Digest); err != nil && !errors.Is(err, oci.ErrBlobUnknown) {
							t.Errorf("round %d: %v", round, err)
						}
					}
				})
			}
			tm.mustPut("1", shownIndex)
			for i, r := range readers {
				if _, err := r.Blob(t.Context(), tm.repo, layer.Digest); err != nil {
					t.Errorf("round %d, reader %d: %v of what the tag leads to", round, i, err)
				}
			}
			tm.mustPut("1", bareIndex)
			for i, r := range readers {
				if _, err := r.Blob(t.Context(), tm.repo, layer.Digest); !errors.Is(err, oci.ErrBlobUnknown) {
					t.Errorf("round %d, reader %d: %v of what the tag has left", round, i, err)
				}
			}
			end()
			reading.Wait()
		}
	})
}

// A failing table fails from its nth read on.
type failing struct {
	table.Store
	mu   sync.Mutex
	left int
}

var errBroken = errors.New("the table is broken")

func (f *failing) broken() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return errBroken
	}
	return nil
}

func (f *failing) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := f.broken(); err != nil {
		return table.Item{}, err
	}
	return f.Store.Get(ctx, key)
}

func (f *failing) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	if err := f.broken(); err != nil {
		return nil, err
	}
	return f.Store.GetMany(ctx, keys, names...)
}

func (f *failing) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := f.broken(); err != nil {
		return table.Page{}, err
	}
	return f.Store.Query(ctx, q)
}

// TestBrokenTable: a table that fails somewhere on the way is neither taken for
// "you may not", nor for "you may". In the end, when it lasts, the answer is right.
func TestBrokenTable(t *testing.T) {
	f := &failing{Store: newMemTable(), left: 1 << 30}
	s := &stage{newCast(), t, registry.New(f, newMemBlobs(), registry.Options{})}
	sigs := index([]oci.Descriptor{describe(oci.MediaTypeImage, s.plain)}, nil)
	s.do(putBlob(home, s.config), putBlob(home, s.layer), push(s.ofLayer, "2"), push(s.plain), push(sigs, "1"), push(s.sig), push(s.onSig))
	for _, hints := range [][]oci.Reference{nil, {byTag("1")}, {byTag("1"), byDigest(s.ofLayer)}} {
		rights := limited("alice")
		rights.Hints = hints
		for _, c := range []struct {
			op   op
			want error
		}{
			{look(byDigest(s.onSig)), nil}, {look(byDigest(s.ofLayer)), oci.ErrManifestUnknown},
			{readBlob(home, s.config), nil}, {readBlob(home, s.layer), oci.ErrBlobUnknown},
			{act("list", func(ctx context.Context, r *registry.Registry) error {
				page, err := r.Referrers(ctx, home, byDigest(s.sig).Digest, "", "")
				if err == nil && len(page.Descriptors) != 1 {
					t.Errorf("%d referrers, want 1", len(page.Descriptors))
				}
				return err
			}), nil},
			{push(s.ofLayer, "1"), oci.ErrManifestBlobUnknown},
		} {
			err := errBroken
			n := 0
			for ; errors.Is(err, errBroken); n++ {
				f.left = n
				_, err = c.op.do(t.Context(), s.reg.For(rights))
			}
			if !errors.Is(err, c.want) || n < 3 {
				t.Errorf("%s with hints %v, after %d reads: %v, want %v", c.op.name, hints, n-1, err, c.want)
			}
		}
	}
}
