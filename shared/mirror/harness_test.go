package mirror_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A shelf is an origin in memory.
type shelf struct {
	t        testing.TB
	bytes    map[oci.Digest][]byte
	tags     map[string]oci.Descriptor
	refer    map[oci.Digest][]oci.Descriptor
	hideTags bool

	mu    sync.Mutex
	reads map[oci.Digest]int // of manifests
}

func newShelf(t testing.TB) *shelf {
	return &shelf{
		t: t, bytes: map[oci.Digest][]byte{}, tags: map[string]oci.Descriptor{},
		refer: map[oci.Digest][]oci.Descriptor{}, reads: map[oci.Digest]int{},
	}
}

func (s *shelf) Resolve(_ context.Context, reference string) (oci.Descriptor, error) {
	if d, ok := s.tags[reference]; ok {
		return d, nil
	}
	if raw, ok := s.bytes[oci.Digest(reference)]; ok {
		return oci.Descriptor{MediaType: typeOf(s.t, raw), Digest: oci.Digest(reference), Size: int64(len(raw))}, nil
	}
	return oci.Descriptor{}, fmt.Errorf("%s: %w", reference, errdef.ErrNotFound)
}

func (s *shelf) Manifest(_ context.Context, d oci.Descriptor) ([]byte, error) {
	raw, ok := s.bytes[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d.Digest, errdef.ErrNotFound)
	}
	s.mu.Lock()
	s.reads[d.Digest]++
	s.mu.Unlock()
	return raw, nil
}

func (s *shelf) Referrers(_ context.Context, subject oci.Descriptor) ([]oci.Descriptor, error) {
	return s.refer[subject.Digest], nil
}

func (s *shelf) Tags(context.Context) ([]string, error) {
	if s.hideTags {
		return nil, errors.New("tags are not for you")
	}
	return slices.Sorted(maps.Keys(s.tags)), nil
}

func (s *shelf) Blob(_ context.Context, d oci.Descriptor) (transfer.Source, error) {
	raw, ok := s.bytes[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d.Digest, errdef.ErrNotFound)
	}
	return memory(raw), nil
}

type memory []byte

func (m memory) ReadPart(_ context.Context, off int64, p []byte) error {
	if off < 0 || off+int64(len(p)) > int64(len(m)) {
		return errors.New("beyond the end")
	}
	copy(p, m[off:])
	return nil
}

func (memory) Close() error { return nil }

func typeOf(t testing.TB, raw []byte) string {
	t.Helper()
	var m struct{ MediaType string }
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m.MediaType
}

// blob puts a blob on the shelf.
func (s *shelf) blob(mediaType, text string) oci.Descriptor {
	d := oci.SHA256.Sum([]byte(text))
	s.bytes[d] = []byte(text)
	return oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(text))}
}

// manifest puts what marshals to a manifest on the shelf, with tags.
func (s *shelf) manifest(mediaType string, m any, tags ...string) oci.Descriptor {
	s.t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	d := s.blob(mediaType, string(raw))
	for _, tag := range tags {
		s.tags[tag] = d
	}
	return d
}

var versioned = specs.Versioned{SchemaVersion: 2}

// image puts an image of these layers on the shelf.
func (s *shelf) image(config string, layers []string, tags ...string) oci.Descriptor {
	s.t.Helper()
	return s.manifest(v1.MediaTypeImageManifest, s.imageOf(config, layers...), tags...)
}

func (s *shelf) imageOf(config string, layers ...string) v1.Manifest {
	m := v1.Manifest{Versioned: versioned, MediaType: v1.MediaTypeImageManifest, Config: s.blob(v1.MediaTypeImageConfig, config)}
	for _, l := range layers {
		m.Layers = append(m.Layers, s.blob(v1.MediaTypeImageLayerGzip, l))
	}
	return m
}

// artifact puts one that refers to subject on the shelf, and lists it.
func (s *shelf) artifact(name string, subject oci.Descriptor) oci.Descriptor {
	s.t.Helper()
	m := s.imageOf("{}", name)
	m.ArtifactType, m.Subject = "test/"+name, &subject
	d := s.manifest(v1.MediaTypeImageManifest, m)
	s.refer[subject.Digest] = append(s.refer[subject.Digest], d)
	return d
}

// index puts one on the shelf.
func (s *shelf) index(entries []oci.Descriptor, tags ...string) oci.Descriptor {
	s.t.Helper()
	return s.manifest(v1.MediaTypeImageIndex, v1.Index{Versioned: versioned, MediaType: v1.MediaTypeImageIndex, Manifests: entries}, tags...)
}

// forPlatform returns the descriptor as an index lists it.
func forPlatform(d oci.Descriptor, os, arch, variant string) oci.Descriptor {
	d.Platform = &v1.Platform{OS: os, Architecture: arch, Variant: variant}
	return d
}

// A dock is a strict target in memory: no manifest may come before what it lists
// and refers to, no tag before all.
type dock struct {
	t      testing.TB
	sparse bool // takes an index without its entries
	fail   error

	mu    sync.Mutex
	bytes map[oci.Digest][]byte
	tags  map[string]oci.Descriptor
	asked int // questions
	order []string
}

func newDock(t testing.TB) *dock {
	return &dock{t: t, bytes: map[oci.Digest][]byte{}, tags: map[string]oci.Descriptor{}}
}

func (d *dock) Resolve(_ context.Context, reference string) (oci.Descriptor, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if got, ok := d.tags[reference]; ok {
		return got, nil
	}
	return oci.Descriptor{}, errdef.ErrNotFound
}

func (d *dock) Standing(_ context.Context, blobs, manifests []oci.Descriptor) (transfer.Standing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(blobs)+len(manifests) > 0 {
		d.asked++
	}
	s := transfer.Standing{}
	for _, one := range append(slices.Clone(blobs), manifests...) {
		if _, ok := d.bytes[one.Digest]; ok {
			s[one.Digest] = transfer.There
		}
	}
	return s, nil
}

func (d *dock) PutBlob(ctx context.Context, one oci.Descriptor, from transfer.Source, w transfer.Watcher) error {
	raw := make([]byte, one.Size)
	if err := from.ReadPart(ctx, 0, raw); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, twice := d.bytes[one.Digest]; twice {
		d.t.Errorf("blob %s was brought twice", one.Digest)
	}
	d.bytes[one.Digest] = raw
	w.Moved(one, one.Size)
	w.Settled(one, transfer.Plain)
	return nil
}

func (d *dock) PutManifest(_ context.Context, one oci.Descriptor, raw []byte, tags []string) error {
	if d.fail != nil {
		return d.fail
	}
	m, err := oci.ParseManifest(one.MediaType, raw)
	if err != nil {
		return err
	}
	if got := oci.SHA256.Sum(raw); got != one.Digest {
		d.t.Errorf("manifest %s was changed", one.Digest)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range m.Children {
		_, here := d.bytes[c.Digest]
		if !here && !c.Optional && !(d.sparse && c.Kind == oci.ChildManifest) {
			return missing(c.Digest)
		}
	}
	if m.Subject != nil && d.bytes[m.Subject.Digest] == nil {
		d.t.Errorf("%s came before its subject", one.Digest)
	}
	d.bytes[one.Digest] = raw
	d.order = append(d.order, string(one.Digest))
	for _, tag := range tags {
		d.tags[tag] = one
		d.order = append(d.order, tag)
	}
	return nil
}

// has says which of these are at the dock.
func (d *dock) wants(t *testing.T, here, absent []oci.Descriptor) {
	t.Helper()
	for _, one := range here {
		if d.bytes[one.Digest] == nil {
			t.Errorf("%s %s was not copied", one.MediaType, one.Digest)
		}
	}
	for _, one := range absent {
		if d.bytes[one.Digest] != nil {
			t.Errorf("%s %s was copied", one.MediaType, one.Digest)
		}
	}
}

// A witness is a Watcher.
type witness struct {
	mu      sync.Mutex
	plan    mirror.Plan
	moved   int64
	settled map[oci.Digest]transfer.Way
	placed  []string
}

func (w *witness) Planned(p mirror.Plan) { w.plan = p }

func (w *witness) Moved(_ oci.Descriptor, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved += n
}

func (w *witness) Settled(d oci.Descriptor, how transfer.Way) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.settled == nil {
		w.settled = map[oci.Digest]transfer.Way{}
	}
	w.settled[d.Digest] = how
}

func (w *witness) Placed(d oci.Descriptor, tags []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.placed = append(w.placed, fmt.Sprint(d.Digest, tags))
}

// options are those of a test, with a witness.
func options(o mirror.Options) mirror.Options {
	o.Watcher, o.Log = &witness{}, slog.New(slog.DiscardHandler)
	return o
}

// one asks for a tag, as itself.
func one(tag string) []mirror.Image {
	return []mirror.Image{{Reference: tag, Tags: []string{tag}}}
}

func mustCopy(t *testing.T, from mirror.Origin, to mirror.Target, o mirror.Options) mirror.Summary {
	t.Helper()
	s, err := mirror.Copy(t.Context(), from, to, options(o))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
