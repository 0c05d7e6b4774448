package registry_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// everyOp is one request of each kind, about what is there.
func everyOp(s *stage) []op {
	id, direct := s.upload(s.config), s.sail(stream, crate)
	d := oci.SHA256.Sum(s.layer)
	return []op{
		look(byTag("1")), look(byDigest(s.plain)), readBlob(home, s.config),
		{name: "list tags", do: func(ctx context.Context, r *registry.Registry) (string, error) {
			tags, _, err := r.Tags(ctx, home, "", -1)
			return strings.Join(tags, " "), err
		}},
		{name: "list repositories", do: func(ctx context.Context, r *registry.Registry) (string, error) {
			repos, _, err := r.Repositories(ctx, "", -1)
			return strings.Join(repos, " "), err
		}},
		act("list referrers", func(ctx context.Context, r *registry.Registry) error {
			_, err := r.Referrers(ctx, home, byDigest(s.plain).Digest, "", "")
			return err
		}),
		act("stat blob", func(ctx context.Context, r *registry.Registry) error {
			_, err := r.StatBlob(ctx, home, d)
			return err
		}),
		act("begin upload", func(ctx context.Context, r *registry.Registry) error {
			_, err := r.StartUpload(ctx, home, "")
			return err
		}),
		act("ask for upload", func(ctx context.Context, r *registry.Registry) error {
			_, err := r.UploadStatus(ctx, home, id)
			return err
		}),
		appendTo(id, len(s.config), s.layer), finish(id, len(s.config), nil, d), cancel(id),
		putBlob(home, s.layer), mount(home, other, s.layer), mount(home, "", s.layer),
		push(s.plain, "1"), push(s.plain), push(s.sig), push(s.alike, "2"),
		beginAll(wanted(s.layer), wanted(crate), stream), statusOf(direct), resend(direct, 1, chest), completeAs(direct, chest), abort(direct),
		deleteTag("1"), deleteManifest(s.plain), deleteBlob(home, s.config),
	}
}

// TestNoRightsNoReads: without any right every request is denied before anything
// is read, so nothing can be told from the answer, nor from the time it takes.
func TestNoRightsNoReads(t *testing.T) {
	counting := tabletest.NewCounting(newMemTable())
	s := &stage{newCast(), t, registry.New(counting, newMemBlobs(), registry.Options{})}
	s.do(putBlob(home, s.config), putBlob(other, s.layer), push(s.plain, "1"))
	for _, o := range everyOp(s) {
		for name, rights := range map[string]registry.Rights{
			"nothing": {}, "nothing, but known": {Who: "alice", Hints: []oci.Reference{byTag("1"), byDigest(s.plain)}},
		} {
			counting.Reset()
			if _, err := o.do(t.Context(), s.reg.For(rights)); !errors.Is(err, oci.ErrDenied) {
				t.Errorf("%s with %s: %v, want DENIED", o.name, name, err)
			}
			if got := counting.Reset(); got != (tabletest.Counts{}) {
				t.Errorf("%s with %s costs %+v", o.name, name, got)
			}
		}
	}
}

// TestWholeRepositoryCostsNothing: rights that are not limited to tags cost not
// one read more than none being asked for.
func TestWholeRepositoryCostsNothing(t *testing.T) {
	all := registry.Rights{
		Pull: registry.AllTags(), Push: registry.AllTags(), Tag: registry.AllTags(), Attach: registry.AllTags(),
		Delete: registry.AllTags(), Who: "alice", Hints: []oci.Reference{byTag("1")},
	}
	all.Elsewhere = func(string) registry.Rights { return all }
	costs := func(limit func(*registry.Registry) *registry.Registry) (spent []tabletest.Counts) {
		counting := tabletest.NewCounting(newMemTable())
		reg := limit(registry.New(counting, newMemBlobs(), registry.Options{}))
		s := &stage{newCast(), t, reg}
		s.do(putBlob(home, s.config), putBlob(other, s.layer), push(s.plain, "1"))
		for _, o := range everyOp(s) {
			counting.Reset()
			_, _ = o.do(t.Context(), reg)
			spent = append(spent, counting.Reset())
		}
		return spent
	}
	want := costs(func(r *registry.Registry) *registry.Registry { return r })
	got := costs(func(r *registry.Registry) *registry.Registry { return r.For(all) })
	if !slices.Equal(got, want) {
		t.Errorf("with all rights requests cost\n%+v, without asking for rights\n%+v", got, want)
	}
}

// Each kind of right lets through what it is for, and nothing else.
func TestRights(t *testing.T) {
	dev := only("dev")
	all := registry.AllTags()
	c := newCast()
	plain := oci.SHA256.Sum(c.plain)
	for _, test := range []struct {
		name   string
		rights registry.Rights
		op     op
		want   error
	}{
		{"pull a tag", registry.Rights{Pull: dev}, look(byTag("dev")), nil},
		{"pull another tag", registry.Rights{Pull: dev}, look(byTag("rel")), oci.ErrDenied},
		{"pull another tag, which is not there", registry.Rights{Pull: dev}, look(byTag("none")), oci.ErrDenied},
		{"push is not pull", registry.Rights{Push: all}, look(byTag("dev")), oci.ErrDenied},
		{"pull is not push", registry.Rights{Pull: all}, putBlob(home, c.layer), oci.ErrDenied},

		{"push a tag", registry.Rights{Pull: all, Push: dev, Tag: dev}, push(c.alike, "dev"), nil},
		{"push another tag", registry.Rights{Pull: all, Push: dev, Tag: dev}, push(c.alike, "rel"), oci.ErrDenied},
		{"push two tags, one another", registry.Rights{Pull: all, Push: dev, Tag: dev}, push(c.alike, "dev", "rel"), oci.ErrDenied},
		{"push without a tag", registry.Rights{Pull: all, Push: dev, Tag: dev}, push(c.alike), nil},
		{"tag what is here", registry.Rights{Pull: all, Tag: dev}, push(c.plain, "dev"), nil},
		{"tag what is not here", registry.Rights{Pull: all, Tag: dev}, push(c.alike, "dev"), oci.ErrDenied},
		{"to tag is not to upload", registry.Rights{Pull: all, Tag: dev}, putBlob(home, c.layer), oci.ErrDenied},
		{"attach", registry.Rights{Pull: all, Attach: all}, push(c.sig), nil},
		{"attach to a tag of one's own", registry.Rights{Pull: all, Attach: dev}, push(c.sig), nil},
		{"attach to another tag", registry.Rights{Pull: all, Attach: only("rel")}, push(c.sig), oci.ErrDenied},
		{"attach what has no subject", registry.Rights{Pull: all, Attach: all}, push(c.alike), oci.ErrDenied},
		{"attach and tag", registry.Rights{Pull: all, Attach: all}, push(c.sig, "dev"), oci.ErrDenied},
		{"push and tag what has a subject", registry.Rights{Pull: all, Push: all, Tag: all}, push(c.sig, "dev"), oci.ErrDenied},
		{"upload to attach", registry.Rights{Attach: dev}, putBlob(home, c.layer), nil},

		{"delete a tag", registry.Rights{Delete: dev}, deleteTag("dev"), nil},
		{"delete another tag", registry.Rights{Delete: dev}, deleteTag("rel"), oci.ErrDenied},
		{"delete a manifest", registry.Rights{Delete: all}, deleteManifest(c.plain), nil},
		{"delete a manifest with a right to tags", registry.Rights{Delete: dev}, deleteManifest(c.plain), oci.ErrDenied},
		{"delete a blob with a right to tags", registry.Rights{Delete: dev}, deleteBlob(home, c.config), oci.ErrDenied},

		{"hold a tag to a digest", registry.Rights{Pull: dev, Push: dev, Tag: dev},
			pushIf(registry.Precondition{Match: []oci.Digest{plain}}, c.plain, "dev"), nil},
		{"hold a tag to a digest that may not be pulled", registry.Rights{Push: dev, Tag: dev},
			pushIf(registry.Precondition{Match: []oci.Digest{plain}}, c.plain, "dev"), oci.ErrDenied},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &stage{c, t, registry.New(newMemTable(), newMemBlobs(), registry.Options{})}
			s.do(putBlob(home, s.config), push(s.plain, "dev"), push(s.ofNothing(), "rel"))
			if _, err := test.op.do(t.Context(), s.reg.For(test.rights)); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", test.op.name, err, test.want)
			}
		})
	}
}

// ofNothing is an index without entries.
func (c cast) ofNothing() []byte { return index(nil, map[string]any{"manifests": []any{}}) }

// TestDeleteSaysWhatToDo: who may delete tags only is told that they can.
func TestDeleteSaysWhatToDo(t *testing.T) {
	reg := registry.New(newMemTable(), newMemBlobs(), registry.Options{}).For(registry.Rights{Delete: only("dev")})
	err := reg.DeleteManifest(t.Context(), home, oci.SHA256.Sum(nil), registry.Precondition{})
	if err == nil || !strings.Contains(err.Error(), "delete the tag instead") {
		t.Errorf("got %v", err)
	}
}

// TestHintOfForbiddenTag: an upload for a tag that cannot be pushed fails before
// its first byte is read.
func TestHintOfForbiddenTag(t *testing.T) {
	reg := registry.New(newMemTable(), newMemBlobs(), registry.Options{})
	dev := only("dev")
	for _, test := range []struct {
		name   string
		rights registry.Rights
		want   error
	}{
		{"right", registry.Rights{Push: dev, Tag: dev, Hints: []oci.Reference{byTag("dev")}}, nil},
		{"forbidden", registry.Rights{Push: dev, Tag: dev, Hints: []oci.Reference{byTag("rel")}}, oci.ErrDenied},
		{"forbidden, as a rule says push", registry.Rights{Push: dev, Tag: dev, Attach: dev, Hints: []oci.Reference{byTag("rel")}}, oci.ErrDenied},
		{"forbidden, but to be attached to", registry.Rights{Push: dev, Attach: registry.AllTags(), Hints: []oci.Reference{byTag("rel")}}, nil},
		{"one of two", registry.Rights{Push: dev, Tag: dev, Hints: []oci.Reference{byTag("dev"), byTag("rel")}}, oci.ErrDenied},
		{"forbidden, but to be attached", registry.Rights{Attach: dev, Hints: []oci.Reference{byTag("rel")}}, nil},
		{"a digest", registry.Rights{Push: dev, Hints: []oci.Reference{byDigest(nil)}}, nil},
	} {
		body := &watched{Reader: bytes.NewReader([]byte(test.name))}
		d := oci.SHA256.Sum([]byte(test.name))
		limited := reg.For(test.rights)
		if err := limited.PutBlob(t.Context(), home, int64(len(test.name)), d, body); !errors.Is(err, test.want) || body.read != (test.want == nil) {
			t.Errorf("%s: put %v, want %v; body read: %v", test.name, err, test.want, body.read)
		}
		if _, err := limited.StartUpload(t.Context(), home, ""); !errors.Is(err, test.want) {
			t.Errorf("%s: start %v, want %v", test.name, err, test.want)
		}
	}
}

type watched struct {
	*bytes.Reader
	read bool
}

func (w *watched) Read(p []byte) (int, error) {
	w.read = true
	return w.Reader.Read(p)
}

// TestListsShowWhatMayBePulled: tags and repositories, and whether there are
// more, are as if the others were not there.
func TestListsShowWhatMayBePulled(t *testing.T) {
	reg := registry.New(newMemTable(), newMemBlobs(), registry.Options{})
	s := &stage{newCast(), t, reg}
	s.do(putBlob(home, s.config), putBlob(other, s.config), putBlob(third, s.config))
	s.do(push(s.plain, "a", "dev-1", "dev-2", "m", "z"))
	limited := reg.For(registry.Rights{
		Pull: registry.SomeTags(func(tag string) bool { return strings.HasPrefix(tag, "dev-") }),
		Elsewhere: func(repo string) registry.Rights {
			return registry.Rights{Pull: map[string]registry.Tags{other: only("x")}[repo]}
		},
	})
	for _, test := range []struct {
		after string
		n     int
		want  []string
		more  bool
	}{
		{"", -1, []string{"dev-1", "dev-2"}, false}, {"", 1, []string{"dev-1"}, true}, {"", 2, []string{"dev-1", "dev-2"}, false},
		{"dev-1", 1, []string{"dev-2"}, false}, {"dev-2", 5, nil, false}, {"", 0, nil, false},
	} {
		got, more, err := limited.Tags(t.Context(), home, test.after, test.n)
		if err != nil || !slices.Equal(got, test.want) || more != test.more {
			t.Errorf("%d tags after %q: got %q, more %v, %v; want %q, more %v", test.n, test.after, got, more, err, test.want, test.more)
		}
	}
	if got, _, err := limited.Repositories(t.Context(), "", -1); err != nil || !slices.Equal(got, []string{other}) {
		t.Errorf("repositories: got %q, %v", got, err)
	}
}
