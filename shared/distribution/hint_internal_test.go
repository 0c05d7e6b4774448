package distribution

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

var (
	digestA = "sha256:" + strings.Repeat("a", 64)
	digestB = "sha512:" + strings.Repeat("b", 128)
)

func TestHint(t *testing.T) {
	const repo = "team/app"
	for _, c := range []struct {
		name   string
		header []string // name, value, name, value
		want   string
	}{
		{"none", nil, ""},
		{"a tag", []string{"OCI-Ref", "team/app:1"}, "1"},
		{"with a host", []string{"OCI-Ref", "registry.example.com/team/app:1"}, "1"},
		{"with a port", []string{"OCI-Ref", "registry:5000/team/app:1"}, "1"},
		{"on this machine", []string{"OCI-Ref", "localhost/team/app:1"}, "1"},
		{"IPv6", []string{"OCI-Ref", "[::1]:5000/team/app:1"}, "1"},
		{"another host", []string{"OCI-Ref", "mirror.example.com/team/app:1"}, "1"},
		{"a digest", []string{"OCI-Ref", "team/app@" + digestA}, digestA},
		{"both", []string{"OCI-Ref", "team/app:1@" + digestB}, "1@" + digestB},
		{"two values", []string{"OCI-Ref", "team/app:1", "OCI-Ref", "team/app@" + digestA}, "1 " + digestA},
		{"two joined", []string{"OCI-Ref", "team/app:1 ,\tteam/app@" + digestA}, "1 " + digestA},
		{"at most four", []string{"OCI-Ref", "team/app:1,team/app:2,team/app:3", "OCI-Ref", "team/app:4,team/app:5"}, "1 2 3 4"},
		{"of which some are nothing", []string{"OCI-Ref", ",,x,team/app:4,team/app:5"}, "4"},

		{"the first name counts", []string{"Docker-Manifest-Tag", "3", "OCI-Named-Ref", "team/app:2", "OCI-Ref", "team/app:1"}, "1"},
		{"then the second", []string{"Docker-Manifest-Tag", "3", "OCI-Named-Ref", "team/app:2"}, "2"},
		{"then the third", []string{"Docker-Manifest-Tag", "3"}, "3"},
		{"the first counts if it is nothing", []string{"OCI-Named-Ref", "team/app:2", "OCI-Ref", "nonsense:"}, ""},
		{"and if it is empty", []string{"OCI-Named-Ref", "team/app:2", "OCI-Ref", ""}, ""},

		{"digests beside", []string{"Docker-Manifest-Tag", "3", "Docker-Manifest-Digest", digestA + "," + digestB}, "3 " + digestA + " " + digestB},
		{"digests alone", []string{"Docker-Manifest-Digest", digestA}, digestA},
		{"no digest", []string{"Docker-Manifest-Digest", "sha256:x"}, ""},
		{"four of all", []string{"OCI-Ref", "team/app:1,team/app:2,team/app:3", "Docker-Manifest-Digest", digestA + "," + digestB}, "1 2 3 " + digestA},

		{"another repository", []string{"OCI-Ref", "team/other:1"}, ""},
		{"one that ends the same", []string{"OCI-Ref", "steam/app:1"}, ""},
		{"one below another", []string{"OCI-Ref", "other/team/app:1"}, ""},
		{"one below another at a host", []string{"OCI-Ref", "registry.example.com/other/team/app:1"}, ""},
		{"one above", []string{"OCI-Ref", "team:1"}, ""},
		{"neither tag nor digest", []string{"OCI-Ref", "team/app"}, ""},
		{"an empty tag", []string{"OCI-Ref", "team/app:"}, ""},
		{"no tag", []string{"OCI-Ref", "team/app:-1"}, ""},
		{"an empty digest", []string{"OCI-Ref", "team/app:1@"}, ""},
		{"no digest in a reference", []string{"OCI-Ref", "team/app:1@sha256:x"}, ""},
		{"a URL", []string{"OCI-Ref", "https://registry.example.com/team/app:1"}, ""},
		{"a bare tag in a reference", []string{"OCI-Ref", "1"}, ""},
		{"a reference as a tag", []string{"Docker-Manifest-Tag", "team/app:1"}, ""},
		{"long", []string{"OCI-Ref", strings.Repeat("x", 1024) + ".com/team/app:1"}, ""},
		{"as long as can be", []string{"OCI-Ref", strings.Repeat("x", 1024-len(".com/team/app:1")) + ".com/team/app:1"}, "1"},
	} {
		h := http.Header{}
		for i := 0; i < len(c.header); i += 2 {
			h.Add(c.header[i], c.header[i+1])
		}
		if got := readHint(h, repo).String(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := readHint(http.Header{"Oci-Ref": {"localhost/:1"}}, ""); got != nil {
		t.Errorf("a hint about no repository: got %v", got)
	}
}

func TestHintPins(t *testing.T) {
	h := readHint(http.Header{"Oci-Ref": {"a:1@" + digestA, "a@" + digestB, "a:2"}}, "a")
	for _, c := range []struct {
		tag, digest string
		want        bool
	}{{"1", digestA, true}, {"1", digestB, false}, {"2", digestA, false}, {"2", "", true}, {"", digestB, true}} {
		if got := h.pins(c.tag, oci.Digest(c.digest)); got != c.want {
			t.Errorf("%q at %.12q: got %t, want %t", c.tag, c.digest, got, c.want)
		}
	}
	want := []oci.Reference{{Tag: "1"}, {Digest: oci.Digest(digestA)}, {Digest: oci.Digest(digestB)}, {Tag: "2"}}
	for i, got := range h.references() {
		if got != want[i] {
			t.Errorf("reference %d: got %v, want %v", i, got, want[i])
		}
	}
}

// Whatever a header says, what comes out of it are few, and tags and digests.
func FuzzHint(f *testing.F) {
	for _, seed := range []string{
		"", "team/app:1", "localhost:5000/team/app:1@" + digestA, "team/app@" + digestB, ",,,,", "team/app:1,team/app:2", "a.b//team/app:1",
		"@", ":", "/", "team/app:@", "team/app:1@" + digestA + "@" + digestA, "\x00", "é.de/team/app:1",
	} {
		for kind := range uint8(4) {
			f.Add(kind, seed, "team/app")
		}
	}
	names := []string{"Oci-Ref", "Oci-Named-Ref", "Docker-Manifest-Tag", "Docker-Manifest-Digest"}
	f.Fuzz(func(t *testing.T, kind uint8, value, repo string) {
		if !oci.ValidName(repo) {
			return
		}
		name := names[int(kind)%len(names)]
		h := readHint(http.Header{name: {value}}, repo)
		if len(h) > maxMentions || len(h.String()) > 4*maxMention {
			t.Fatalf("%s %q: %d mentions in %d bytes", name, value, len(h), len(h.String()))
		}
		for _, m := range h {
			if m.tag == "" && m.digest == "" || m.tag != "" && !oci.ValidTag(m.tag) {
				t.Errorf("%s %q: a mention %+v", name, value, m)
			}
			if m.digest != "" {
				if _, err := oci.ParseDigest(string(m.digest)); err != nil {
					t.Errorf("%s %q: a mention %+v", name, value, m)
				}
			}
			if !strings.Contains(value, m.tag) || !strings.Contains(value, string(m.digest)) {
				t.Errorf("%s %q: nobody has said %+v", name, value, m)
			}
			if kind%4 < 2 && !strings.Contains(value, repo) {
				t.Errorf("%s %q is not about %s", name, value, repo)
			}
		}
	})
}
