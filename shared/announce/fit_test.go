package announce_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// tell makes the event of one change, in each form that JSON may have, and says
// what is in it.
func tell(t testing.TB, tab table.Store, c table.Change) (announce.Data, []byte) {
	t.Helper()
	var out tape
	if done, err := announcer(tab, &out).Announce(t.Context(), []table.Change{c}); done != 1 || err != nil || len(out.events) != 1 {
		t.Fatalf("%d done, %v, %d events", done, err, len(out.events))
	}
	raw := mustJSON(t, out.events[0])
	escaped, err := json.Marshal(out.events[0])
	if err != nil || len(raw) > announce.MaxEvent || len(escaped) > announce.MaxEvent {
		t.Errorf("%v, an event of %d bytes, or escaped %d", err, len(raw), len(escaped))
	}
	if err := valid(raw); err != nil {
		t.Errorf("%v: %.500s", err, raw)
	}
	var d announce.Data
	if err := json.Unmarshal(out.events[0].Data, &d); err != nil {
		t.Fatal(err)
	}
	return d, raw
}

func TestLargeAnnotationsAreLeftOut(t *testing.T) {
	tab := localTable(t)
	for size, leftOut := range map[int]bool{10: false, 30 << 10: false, 33 << 10: true, 250 << 10: true} {
		d, _ := tell(t, tab, attached(app, 1, map[string]string{"a": strings.Repeat("x", size)}))
		var referrer oci.Descriptor
		if err := json.Unmarshal(d.Referrer, &referrer); err != nil {
			t.Fatal(err)
		}
		if d.AnnotationsLeftOut != leftOut || (len(referrer.Annotations) == 0) != leftOut {
			t.Errorf("%d bytes: left out %v, %d annotations", size, d.AnnotationsLeftOut, len(referrer.Annotations))
		}
		if referrer.ArtifactType != spdx || referrer.Size != 1 || referrer.MediaType != oci.MediaTypeImage || referrer.Digest == "" {
			t.Errorf("%d bytes: got %+v", size, referrer)
		}
	}
}

// A subject with as much about it as there can be: tags and types of the greatest
// length, in characters that JSON writes as six.
func TestEventsFit(t *testing.T) {
	for name, c := range map[string]struct {
		tags, types       int
		letter            string
		annotations       string
		wantTags, byTypes int
	}{
		"a usual subject":  {3, 4, "x", "x", 3, 4},
		"many tags":        {1000, 128, "x", "x", 1000, 128},
		"more tags":        {1001, 0, "x", "x", 1000, 0},
		"with annotations": {1000, 128, "x", strings.Repeat("x", 32<<10-300), 1000, 128},
		"in other letters": {1000, 128, `"`, strings.Repeat("x", 8<<10), 100, 128},
		"and escaped":      {1000, 128, "<", strings.Repeat("<", 5<<10), 100, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tab := localTable(t)
			in := func(sk string) table.Key { return table.Key{Partition: "repo#team/app", Sort: sk} }
			counts := []table.Attr{table.N("referrers", int64(c.types))}
			for n := range c.types {
				counts = append(counts, table.N(fmt.Sprintf("referrers:%s%03d", strings.Repeat(c.letter, 252), n), 1))
			}
			actions := []table.Action{table.Put(in("manifest#"+string(app)), counts...)}
			for n := range c.tags {
				tag := fmt.Sprintf("%s%04d", strings.Repeat("t", 124), n)
				if actions = append(actions, table.Put(in("parent#"+string(app)+"#"+tag))); len(actions) == table.MaxActions {
					write(t, tab, actions...)
					actions = nil
				}
			}
			if len(actions) > 0 {
				write(t, tab, actions...)
			}
			d, raw := tell(t, tab, attached(app, 1, map[string]string{"a": c.annotations}))
			if len(d.Subject.Tags) != c.wantTags || d.Subject.TagsTruncated != (c.wantTags < c.tags) || len(d.Subject.Referrers.ByType) != c.byTypes {
				t.Errorf("%d bytes with %d tags, truncated %v, and %d types", len(raw),
					len(d.Subject.Tags), d.Subject.TagsTruncated, len(d.Subject.Referrers.ByType))
			}
			if d.Subject.Referrers.Total != int64(c.types) {
				t.Errorf("total %d", d.Subject.Referrers.Total)
			}
		})
	}
}

// FuzzEvent puts anything where descriptors, types and names come from: the
// event, if there is one, fits and is as its schema says.
func FuzzEvent(f *testing.F) {
	f.Add("referrer#"+string(app)+"#x#"+string(sbom), `{"digest":"`+string(sbom)+`"}`, "x", "user:alice", 1)
	f.Add("referrer#"+string(app)+"#x#"+string(sbom), `{"digest":"`+string(sbom)+`","mediaType":"<","size":-1}`, "<", "\xff\x00", 70000)
	f.Add("manifest#"+string(app), "x", "<", "robot:ci", 300000)
	f.Add("tag#v1", "", "", "", 0)
	tab := localTable(f)
	f.Fuzz(func(t *testing.T, sk, descriptor, text, by string, times int) {
		text = strings.Repeat(text, min(max(times, 0), 300<<10/max(len(text), 1)))
		c := table.Change{Key: table.Key{Partition: "repo#team/app", Sort: sk}, New: &table.Item{Version: "v", Attrs: table.Attrs{
			table.S("state", "live"), table.S("mediaType", text), table.S("artifactType", text), table.N("size", int64(times)),
			table.B("descriptor", []byte(descriptor)), table.S("digest", string(app)), table.S("by", by), table.S("subject", string(next)),
		}}}
		var out tape
		if done, err := announcer(tab, &out).Announce(t.Context(), []table.Change{c}); done != 1 || err != nil {
			t.Fatalf("%d done, %v", done, err)
		}
		for _, e := range out.events {
			if escaped, err := json.Marshal(e); err != nil || len(escaped) > announce.MaxEvent {
				t.Errorf("%v, an event of %d bytes", err, len(escaped))
			}
			if err := valid(mustJSON(t, e)); err != nil {
				t.Errorf("%v: %.500s", err, mustJSON(t, e))
			}
		}
	})
}
