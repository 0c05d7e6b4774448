package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// A world is a repository that some people have worked in for a while, each as
// far as they were let.
type world struct {
	*rand.Rand
	t     testing.TB
	table table.Store
	reg   *registry.Registry
	now   time.Time

	glances bool // wherever a search may

	contents [][]byte // of blobs, here or not
	pushes   [][]byte // manifests, here or not
}

var worldTags = []string{"dev-1", "dev-2", "rel-1", "rel-2", "x"}

// newWorld lets people do so many things in it.
func newWorld(t testing.TB, tab table.Store, obj blobs.Store, seed uint64, things int) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 99)), t: t, table: tab, now: time.Now(), glances: seed%2 == 1}
	w.reg = w.open(tab, obj)
	for n := range 6 {
		w.contents = append(w.contents, fmt.Appendf(nil, "%d of %d", n, seed))
	}
	w.pushes = append(w.pushes, index(nil, nil))
	for _, body := range w.contents[:4] {
		w.must(w.do(w.reg, putBlob(home, body)))
	}
	for range things {
		w.happen()
	}
	return w
}

// open returns a registry that lives in the world's time.
func (w *world) open(tab table.Store, obj blobs.Store) *registry.Registry {
	sparse := registry.Rules{Indexes: registry.IndexRule{AllowMissing: true, AllowUnnamed: true}}
	reg := registry.New(tab, obj, registry.Options{
		Rules: func(string) registry.Rules { return sparse }, Now: func() time.Time { return w.now },
	})
	if w.glances {
		return reg.Glancing()
	}
	return reg
}

// do lets somebody try something. That it is refused is no failure.
func (w *world) do(reg *registry.Registry, o op) error {
	_, err := o.do(w.t.Context(), reg)
	var known *oci.Error
	if err != nil && !errors.As(err, &known) {
		w.t.Fatalf("%s: %v", o.name, err)
	}
	return err
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func one[T any](w *world, from []T) T { return from[w.IntN(len(from))] }

// happen is one thing that somebody does.
func (w *world) happen() {
	reg := w.reg
	if w.IntN(2) == 0 {
		reg = w.reg.For(w.rights())
	}
	switch w.IntN(12) {
	case 0, 1:
		bring := putBlob
		if _, ok := reg.Store().(sender); ok && w.IntN(2) == 0 {
			bring, reg = deliver, reg.Tiny()
		}
		_ = w.do(reg, bring(home, one(w, w.bytes())))
	case 2:
		_ = w.do(reg, deleteTag(one(w, worldTags)))
	case 3:
		_ = w.do(reg, deleteManifest(one(w, w.pushes)))
	case 4:
		_ = w.do(reg, deleteBlob(home, one(w, w.contents)))
	case 5:
		w.litter()
	case 6:
		w.now = w.now.Add(5 * time.Hour)
	default:
		body := w.compose()
		_ = w.do(reg, push(body, w.someTags(2)...))
		if w.pushes = append(w.pushes, body); w.IntN(2) == 0 {
			_ = w.do(w.reg, push(body, w.someTags(2)...))
		}
	}
}

// bytes are what may be sent as a blob: manifests too.
func (w *world) bytes() [][]byte { return slices.Concat(w.contents, w.pushes) }

// compose makes a manifest of what there is, and of what there is not.
func (w *world) compose() []byte {
	more := map[string]any{"annotations": map[string]string{"n": fmt.Sprint(w.IntN(4))}}
	if w.IntN(3) == 0 {
		more["subject"] = w.describe(one(w, w.pushes))
	}
	if w.IntN(2) == 0 {
		var layers []oci.Descriptor
		for range w.IntN(3) {
			layers = append(layers, describe(blobType, one(w, w.bytes())))
		}
		return image(describe(blobType, one(w, w.contents)), layers, more)
	}
	children := []oci.Descriptor{}
	for range w.IntN(4) {
		d := w.describe(one(w, w.pushes))
		switch w.IntN(8) {
		case 0:
			d = describe(oci.MediaTypeImage, w.nowhere())
		case 1:
			d = describe(blobType, one(w, w.bytes()))
		}
		if !slices.ContainsFunc(children, func(c oci.Descriptor) bool { return c.Digest == d.Digest }) {
			children = append(children, d)
		}
	}
	return index(children, more)
}

func (w *world) describe(manifest []byte) oci.Descriptor {
	var head struct{ MediaType string }
	w.must(json.Unmarshal(manifest, &head))
	return describe(head.MediaType, manifest)
}

// nowhere is a manifest that is never here.
func (w *world) nowhere() []byte { return fmt.Appendf(nil, "nowhere %d", w.IntN(2)) }

// litter leaves what real repositories have lying around: edges of pushes that
// failed and of manifests that went, and tags from before they named what an
// index lists.
func (w *world) litter() {
	partition := "repo#" + home
	child, parent := oci.SHA256.Sum(one(w, w.bytes())), oci.SHA256.Sum(w.nowhere())
	edge := table.Key{Partition: partition, Sort: "parent#" + string(child) + "#" + string(parent)}
	actions := []table.Action{table.Put(edge, table.N("pushed", 1))}
	for tag := range everythingUnder(w.t, w.table, home, "tag#") {
		if w.IntN(3) == 0 {
			actions = append(actions, table.Update(table.Key{Partition: partition, Sort: "tag#" + tag}).Unsetting("manifests"))
		}
	}
	w.must(w.table.Transact(w.t.Context(), table.Tx{Token: table.NewToken(), Actions: actions}))
}

// someTags picks up to most tags.
func (w *world) someTags(most int) []string {
	tags := slices.Clone(worldTags)
	w.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
	return tags[:w.IntN(most+1)]
}

func (w *world) right() registry.Tags {
	switch w.IntN(5) {
	case 0:
		return registry.Tags{}
	case 1:
		return registry.AllTags()
	}
	return only(w.someTags(3)...)
}

// only is the right to these tags.
func only(tags ...string) registry.Tags {
	return registry.SomeTags(func(tag string) bool { return slices.Contains(tags, tag) })
}

func (w *world) rights() registry.Rights {
	return registry.Rights{
		Pull: w.right(), Push: w.right(), Tag: w.right(), Attach: w.right(), Delete: w.right(),
		Who: one(w, []string{"", "alice", "bob"}),
	}
}

// hints are some that a client might send, or a liar.
func (w *world) hints() []oci.Reference {
	var hints []oci.Reference
	for range w.IntN(4) {
		switch w.IntN(5) {
		case 0:
			hints = append(hints, oci.Reference{Tag: "no-such-tag"})
		case 1:
			hints = append(hints, oci.Reference{Digest: oci.SHA256.Sum(w.nowhere())})
		case 2:
			hints = append(hints, oci.Reference{Digest: oci.SHA256.Sum(one(w, w.bytes()))})
		default:
			hints = append(hints, oci.Reference{Tag: one(w, worldTags)})
		}
	}
	return hints
}

// A question is a request that only reads.
type question struct {
	name string
	ask  func(context.Context, *registry.Registry) (string, error)
	want func(seer) string
}

// questions are all that can be asked in this world.
func (w *world) questions() []question {
	var qs []question
	for _, body := range append(w.bytes(), w.nowhere()) {
		qs = append(qs, about(oci.SHA256.Sum(body))...)
	}
	for _, tag := range append(slices.Clone(worldTags), "no-such-tag") {
		qs = append(qs, aboutManifest(oci.Reference{Tag: tag}))
	}
	for _, n := range []int{1, 2, 10} {
		qs = append(qs, question{fmt.Sprint("list tags ", n),
			func(ctx context.Context, r *registry.Registry) (string, error) {
				tags, more, err := r.Tags(ctx, home, "", n)
				return fmt.Sprint(tags, more), err
			}, func(s seer) string { return s.tagList(n) }})
	}
	return qs
}

func aboutManifest(ref oci.Reference) question {
	return question{"manifest " + ref.String(), func(ctx context.Context, r *registry.Registry) (string, error) {
		m, err := r.Manifest(ctx, home, ref)
		return fmt.Sprint(m.Digest, m.Referrers.Count), err
	}, func(s seer) string { return s.manifest(ref) }}
}

func about(d oci.Digest) []question {
	return []question{
		aboutManifest(oci.Reference{Digest: d}),
		{"blob " + string(d), func(ctx context.Context, r *registry.Registry) (string, error) {
			b, err := r.Blob(ctx, home, d)
			return string(b.Digest), err
		}, func(s seer) string { return s.blob(d) }},
		{"referrers of " + string(d), func(ctx context.Context, r *registry.Registry) (string, error) {
			page, err := r.Referrers(ctx, home, d, "", "")
			if err == nil {
				err = keepsItsPrint(ctx, r, d, page)
			}
			var found []string
			for _, raw := range page.Descriptors {
				var one oci.Descriptor
				if err := json.Unmarshal(raw, &one); err != nil {
					return "", err
				}
				found = append(found, string(one.Digest))
			}
			slices.Sort(found)
			return string(bytes.Join(asBytes(found), []byte(" "))), err
		}, func(s seer) string { return s.referrers(d) }},
	}
}

func asBytes(words []string) [][]byte {
	out := make([][]byte, len(words))
	for i, s := range words {
		out[i] = []byte(s)
	}
	return out
}

// answer writes down what a caller is told.
func answer(text string, err error) string {
	var known *oci.Error
	switch {
	case err == nil:
		return text
	case !errors.As(err, &known):
		return err.Error()
	}
	if detail, ok := known.Detail.(map[string]string); ok && detail["index"] != "" {
		return known.Code + ", but listed"
	}
	return known.Code
}
