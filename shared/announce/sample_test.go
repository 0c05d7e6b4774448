package announce_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// What the samples are about: an index, its SBOM, and an index that follows it.
const (
	app      = oci.Digest("sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0")
	sbom     = oci.Digest("sha256:55d9689d1d1a5b2a6e3ff6dd64e0ee7dcd9b9a5d9d1d1f9a1c8a9b1e3a6a9f10")
	next     = oci.Digest("sha256:3fc9b689459d738f8c88a3a48aa9e33542016b7a4052e001aaa536fca74813cb")
	spdx     = "application/spdx+json"
	spdxSize = 714
)

// sampleChanges are items as the registry writes them, in a world where all
// versions are known.
func sampleChanges() map[string]table.Change {
	in := func(sk string) table.Key { return table.Key{Partition: "repo#team/app", Sort: sk} }
	item := func(version string, attrs ...table.Attr) *table.Item {
		return &table.Item{Version: version, Attrs: attrs}
	}
	at := func(d oci.Digest) table.Attr { return table.S("digest", string(d)) }
	alice, ci := table.S("by", "user:alice"), table.S("by", "robot:ci")
	descriptor, _ := json.Marshal(oci.Descriptor{
		MediaType: oci.MediaTypeImage, Digest: sbom, Size: spdxSize, ArtifactType: spdx,
		Annotations: map[string]string{"org.opencontainers.image.created": "2026-11-22T10:01:06Z", "org.example.tool": "syft & co"},
	}) // of strings: it does not fail
	referrer := []table.Attr{table.B("descriptor", descriptor), ci}
	manifest := []table.Attr{
		table.S("state", "live"), table.S("mediaType", oci.MediaTypeIndex), table.N("size", 1609), table.B("body", []byte("{}")), alice,
	}
	changes := map[string]table.Change{
		"referrer.attached":  {Key: in("referrer#" + string(app) + "#" + spdx + "#" + string(sbom)), New: item("ATTACHED", referrer...)},
		"referrer.detached":  {Key: in("referrer#" + string(app) + "#" + spdx + "#" + string(sbom)), Old: item("ATTACHED", referrer...)},
		"manifest.pushed":    {Key: in("manifest#" + string(app)), New: item("PUSHED", manifest...)},
		"manifest.deleted":   {Key: in("manifest#" + string(app)), Old: item("TAGGED", manifest...)},
		"tag.created":        {Key: in("tag#latest"), New: item("PUSHED", at(app), alice)},
		"tag.moved":          {Key: in("tag#latest"), Old: item("PUSHED", at(app), alice), New: item("MOVED", at(next), ci)},
		"tag.deleted":        {Key: in("tag#latest"), Old: item("MOVED", at(next), ci)},
		"repository.created": {Key: table.Key{Partition: "repos", Sort: "repo#team/app"}, New: item("PUSHED", alice)},
	}
	for kind, c := range changes {
		c.At = time.Date(2026, 11, 22, 10, 1, 7, 250e6, time.UTC)
		changes[kind] = c
	}
	return changes
}

// Each file in events/sample is what a change becomes, byte by byte but for the
// spaces, and as its schema says.
func TestSamples(t *testing.T) {
	tab := localTable(t)
	in := func(sk string) table.Key { return table.Key{Partition: "repo#team/app", Sort: sk} }
	write(t, tab,
		table.Put(in("manifest#"+string(app)), table.N("referrers", 3), table.N("referrers:"+spdx, 1),
			table.N("referrers:application/vnd.dev.sigstore.bundle.v0.3+json", 2)),
		table.Put(in("parent#"+string(app)+"#1.4.2")), table.Put(in("parent#"+string(app)+"#latest")),
	)
	reg := registry.New(tab, nil, registry.Options{})
	for kind, change := range sampleChanges() {
		var out tape
		a := announce.Announcer{Source: "https://registry.example", Registry: reg, To: []announce.Publisher{&out}, Log: quiet()}
		if n, err := a.Announce(t.Context(), []table.Change{change}); n != 1 || err != nil || len(out.events) != 1 {
			t.Errorf("%s: %d done, %v, %d events", kind, n, err, len(out.events))
			continue
		}
		raw := mustJSON(t, out.events[0])
		if err := valid(raw); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		var got bytes.Buffer
		if err := json.Indent(&got, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		want, err := os.ReadFile(filepath.Join(samples, "dev.berth."+kind+".json"))
		if err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %v, got\n%s", kind, err, got.Bytes())
		}
	}
}

// There is a schema and a sample for each kind, and none for another.
func TestFilesOfEvents(t *testing.T) {
	list := func(dir, suffix string) (names []string) {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if name, ok := strings.CutPrefix(f.Name(), announce.TypePrefix); ok {
				names = append(names, strings.TrimSuffix(name, suffix))
			} else if f.Name() != "event.v1.json" {
				t.Errorf("%s/%s is about no event", dir, f.Name())
			}
		}
		return names
	}
	want := slices.Sorted(slices.Values(kinds))
	for dir, suffix := range map[string]string{schemas: ".v1.json", samples: ".json"} {
		if got := list(dir, suffix); !slices.Equal(got, want) {
			t.Errorf("%s is about %q, want %q", dir, got, want)
		}
	}
}

// The schemas say no to what is wrong: else that events fit them means little.
func TestSchemasRefuse(t *testing.T) {
	for _, kind := range kinds {
		raw, err := os.ReadFile(filepath.Join(samples, "dev.berth."+kind+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(raw); err != nil {
			t.Fatalf("the sample %s: %v", kind, err)
		}
		var e map[string]any
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		refused := func(what string, m map[string]any, key string, value any) {
			t.Helper()
			before := m[key]
			if m[key] = value; value == nil {
				delete(m, key)
			}
			wrong, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if valid(wrong) == nil {
				t.Errorf("%s: the schema takes %s", kind, what)
			}
			m[key] = before
		}
		data := e["data"].(map[string]any)
		refused("another type", e, "type", "dev.berth.other")
		refused("no id", e, "id", nil)
		refused("a time of day", e, "time", "10:01")
		refused("another's schema", e, "dataschema", schemaURL+"other.v1.json")
		refused("no repository", data, "repository", nil)
		for key, value := range data {
			if part, ok := value.(map[string]any); ok {
				refused("no digest in "+key, part, "digest", nil)
				refused("a wrong digest in "+key, part, "digest", "sha256:123")
			}
		}
		if _, ok := data["tag"]; ok {
			refused("a wrong tag", data, "tag", "a b")
			refused("a wrong digest", data, "digest", "latest")
		}
	}
}
