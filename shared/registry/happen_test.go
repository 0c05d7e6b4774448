package registry_test

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

const (
	digestA = oci.Digest("sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	digestB = oci.Digest("sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

// was and is are the images of an item.
func was(attrs ...table.Attr) *table.Item { return &table.Item{Version: "v1", Attrs: attrs} }

func is(attrs ...table.Attr) *table.Item { return &table.Item{Version: "v2", Attrs: attrs} }

func liveManifest(more ...table.Attr) []table.Attr {
	return append([]table.Attr{table.S("state", "live"), table.S("mediaType", oci.MediaTypeImage), table.N("size", 7)}, more...)
}

func TestHappened(t *testing.T) {
	at, to := table.S("digest", string(digestA)), table.S("digest", string(digestB))
	listed := table.B("descriptor", marshal(oci.Descriptor{MediaType: oci.MediaTypeImage, Digest: digestB, Size: 7}))
	other := table.B("descriptor", marshal(oci.Descriptor{Digest: digestA}))
	by, count := table.S("by", "user:alice"), table.N("referrers", 1)
	const manifest, tag = "manifest#" + string(digestA), "tag#v1"
	const referrer = "referrer#" + string(digestA) + "#application/x#" + string(digestB)
	for _, c := range []struct {
		name, pk, sk string
		old, new     *table.Item
		want         string // kind, digest, from, tag, subject and by; "" for nothing
	}{
		{"manifest", "", manifest, nil, is(liveManifest(by)...), "manifest.pushed aa - - - user:alice"},
		{"manifest over a stub", "", manifest, was(count), is(liveManifest(count)...), "manifest.pushed aa - - - -"},
		{"manifest that arrived", "", manifest, was(table.S("state", "arriving x")), is(liveManifest()...), "manifest.pushed aa - - - -"},
		{"manifest with subject", "", manifest, nil, is(liveManifest(table.S("subject", string(digestB)))...), "manifest.pushed aa - - bb -"},
		{"manifest gone", "", manifest, was(liveManifest(by)...), nil, "manifest.deleted aa - - - -"},
		{"manifest to stub", "", manifest, was(liveManifest(by, count)...), is(count), "manifest.deleted aa - - - -"},
		{"manifest counted", "", manifest, was(liveManifest()...), is(liveManifest(count)...), ""},
		{"stub", "", manifest, nil, is(count), ""},
		{"stub counted", "", manifest, was(count), is(table.N("referrers", 2)), ""},
		{"stub gone", "", manifest, was(count), nil, ""},
		{"arriving", "", manifest, nil, is(table.S("state", "arriving x")), ""},
		{"manifest of no digest", "", "manifest#x", nil, is(liveManifest()...), ""},

		{"tag", "", tag, nil, is(at, by), "tag.created aa - v1 - user:alice"},
		{"tag moved", "", tag, was(at), is(to, by), "tag.moved bb aa v1 - user:alice"},
		{"tag again", "", tag, was(at), is(at, by, table.N("pulled", 1)), ""},
		{"tag gone", "", tag, was(at, by), nil, "tag.deleted aa - v1 - -"},
		{"tag of a strange name", "", "tag#a b", nil, is(at), ""},
		{"tag of nothing", "", tag, nil, is(by), ""},

		{"referrer", "", referrer, nil, is(listed, by), "referrer.attached bb - - aa user:alice"},
		{"referrer of no type", "", "referrer#" + string(digestA) + "##" + string(digestB), nil, is(listed), "referrer.attached bb - - aa -"},
		{"referrer gone", "", referrer, was(listed, by), nil, "referrer.detached bb - - aa -"},
		{"referrer again", "", referrer, was(listed), is(listed, by), ""},
		{"referrer with another's descriptor", "", referrer, nil, is(other), ""},
		{"referrer without one", "", referrer, nil, is(), ""},
		{"referrer without a type", "", "referrer#" + string(digestA) + "#" + string(digestB), nil, is(listed), ""},
		{"referrer of nothing", "", "referrer#x#y#" + string(digestB), nil, is(listed), ""},

		{"repository", "repos", "repo#team/app", nil, is(by), "repository.created - - - - user:alice"},
		{"repository again", "repos", "repo#team/app", was(), is(by), ""},
		{"repository gone", "repos", "repo#team/app", was(), nil, ""},
		{"repository of a strange name", "repos", "repo#Team", nil, is(), ""},
		{"something in repos", "repos", "x", nil, is(), ""},
		{"in a repository of a strange name", "repo#Team", tag, nil, is(at), ""},
		{"in no repository", "other#team/app", tag, nil, is(at), ""},

		{"blob", "", "blob#" + string(digestA), nil, is(liveManifest()...), ""},
		{"edge", "", "parent#" + string(digestA) + "#v1", nil, is(), ""},
		{"note", "", "sent#manifest#" + string(digestA) + "#x", nil, is(liveManifest()...), ""},
		{"nothing", "", tag, nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := table.Key{Partition: cmp.Or(c.pk, "repo#team/app"), Sort: c.sk}
			change := table.Change{ID: "1", Key: key, Old: c.old, New: c.new, At: time.Unix(1700000000, 0)}
			h, ok := registry.Happened(change)
			if got := summary(h); got != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, c.want)
			}
			if ok && (h.Repo != "team/app" || !h.At.Equal(change.At)) {
				t.Errorf("in %s at %v", h.Repo, h.At)
			}
			change.Expired = true
			if _, ok := registry.Happened(change); ok {
				t.Error("what the store does by itself is told")
			}
		})
	}
}

// summary writes a happening down, digests by their first digits.
func summary(h registry.Happening) string {
	if h.Kind == "" {
		return ""
	}
	words := []string{string(h.Kind)}
	for _, word := range []string{string(h.Digest), string(h.From), h.Tag, string(h.Subject), h.By} {
		if _, digits, ok := strings.Cut(word, "sha256:"); ok {
			word = digits[:2]
		}
		words = append(words, cmp.Or(word, "-"))
	}
	return strings.Join(words, " ")
}

// The id is what others know repeats by: it is pinned, since a new release must
// not tell of yesterday's changes anew.
func TestHappeningID(t *testing.T) {
	tag := table.Key{Partition: "repo#team/app", Sort: "tag#v1"}
	a, b := table.S("digest", string(digestA)), table.S("digest", string(digestB))
	id := func(c table.Change) string {
		h, ok := registry.Happened(c)
		if !ok {
			t.Fatalf("%+v means nothing", c)
		}
		return h.ID
	}
	created := id(table.Change{ID: "1", Key: tag, New: was(a)})
	// printf 'tag.created\nrepo#team/app\ntag#v1\nv1' | sha256sum
	if want := "3dea64754a03ee98"; !strings.HasPrefix(created, want) {
		t.Errorf("got %s, want %s...", created, want)
	}
	seen := map[string]string{created: "created"}
	for name, c := range map[string]table.Change{
		"moved":               {ID: "2", Key: tag, Old: was(a), New: is(b)},
		"deleted":             {ID: "3", Key: tag, Old: was(a)},
		"created again":       {ID: "4", Key: tag, New: is(a)},
		"elsewhere":           {ID: "5", Key: table.Key{Partition: "repo#team/other", Sort: "tag#v1"}, New: was(a)},
		"another by that one": {ID: "6", Key: table.Key{Partition: "repo#team/app", Sort: "tag#v2"}, New: was(a)},
	} {
		if before, ok := seen[id(c)]; ok {
			t.Errorf("%s has the id of %s", name, before)
		}
		seen[id(c)] = name
	}
	if again := id(table.Change{ID: "told by another stream", Key: tag, New: was(a), At: time.Now()}); again != created {
		t.Error("the id depends on how the change is told")
	}
	if _, ok := registry.Happened(table.Change{ID: "7", Key: tag, New: &table.Item{Attrs: table.Attrs{a}}}); ok {
		t.Error("an item without a version is told of, and would be again under the same id")
	}
}

// Whatever a table holds, what is said of it is well formed, or nothing.
func FuzzHappened(f *testing.F) {
	descriptor := string(marshal(oci.Descriptor{Digest: digestB}))
	f.Add("repo#team/app", "manifest#"+string(digestA), "", "live", string(digestB), "", "user:alice", byte(2))
	f.Add("repo#team/app", "tag#v1", "", string(digestA), string(digestB), "", strings.Repeat("ü", 300), byte(3))
	f.Add("repo#team/app", "referrer#"+string(digestA)+"#a/b#"+string(digestB), "", "", "", descriptor, "\xff", byte(1))
	f.Add("repos", "repo#team/app", "", "", "", "", "", byte(2))
	f.Fuzz(func(t *testing.T, pk, sk, stateBefore, x, y, descriptor, by string, images byte) {
		item := func(state, digest string) *table.Item {
			return &table.Item{Version: "v", Attrs: table.Attrs{
				table.S("state", state), table.S("digest", digest), table.S("subject", y), table.S("mediaType", x),
				table.B("descriptor", []byte(descriptor)), table.S("by", by),
			}}
		}
		c := table.Change{Key: table.Key{Partition: pk, Sort: sk}, Expired: images&4 != 0}
		if images&1 != 0 {
			c.Old = item(stateBefore, y)
		}
		if images&2 != 0 {
			c.New = item(x, x)
		}
		h, ok := registry.Happened(c)
		if !ok {
			return
		}
		for _, d := range []oci.Digest{h.Digest, h.From, h.Subject} {
			if _, err := oci.ParseDigest(string(d)); d != "" && err != nil {
				t.Errorf("digest %q", d)
			}
		}
		if !oci.ValidName(h.Repo) || h.Tag != "" && !oci.ValidTag(h.Tag) || len(h.ID) != 64 {
			t.Errorf("got %+v", h)
		}
		if len(h.By) > 256 || !utf8.ValidString(h.By) {
			t.Errorf("by %q", h.By)
		}
		if h.Descriptor != nil && !json.Valid(h.Descriptor) {
			t.Errorf("descriptor %q", h.Descriptor)
		}
	})
}
