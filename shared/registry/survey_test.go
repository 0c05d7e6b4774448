package registry_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// A survey looks at everything that is in the stores at rest. Keys and
// attributes are written out here: who changes them changes what is in tables
// already.
type survey struct {
	items  map[table.Key]table.Item
	blobs  *memBlobs
	calm   bool             // nothing may be left for the collector
	shares map[string]int64 // blob items by the object that they name
	bodies map[string]bool  // objects that manifests name
	claims map[string]bool  // objects that direct uploads name which are not over
	wrongs []string
}

// inspect says what does not fit together.
func inspect(tab *memTable, obj *memBlobs, calm bool) []string {
	s := &survey{items: tab.items, blobs: obj, calm: calm, shares: map[string]int64{}, bodies: map[string]bool{}, claims: map[string]bool{}}
	for key, item := range s.items {
		switch {
		case strings.HasPrefix(key.Partition, "digest#"):
			blob := table.Key{Partition: key.Sort, Sort: "blob#" + strings.TrimPrefix(key.Partition, "digest#")}
			s.expect(s.has(blob), "%v is listed and not there", blob)
		case strings.HasPrefix(key.Partition, "repo#"):
			s.item(strings.TrimPrefix(key.Partition, "repo#"), key.Sort, item)
		}
	}
	s.objects()
	slices.Sort(s.wrongs)
	return s.wrongs
}

func (s *survey) expect(ok bool, format string, args ...any) {
	if !ok {
		s.wrongs = append(s.wrongs, fmt.Sprintf(format, args...))
	}
}

func in(repo, sort string) table.Key { return table.Key{Partition: "repo#" + repo, Sort: sort} }

func (s *survey) has(key table.Key) bool { _, ok := s.items[key]; return ok }

func (s *survey) item(repo, sort string, item table.Item) {
	kind, name, _ := strings.Cut(sort, "#")
	switch kind {
	case "manifest":
		s.manifest(repo, oci.Digest(name), item)
	case "blob":
		s.blob(repo, oci.Digest(name), item)
	case "tag":
		d := item.Str("digest")
		s.expect(isLive(s.items[in(repo, "manifest#"+d)]), "tag %s of %s dangles", name, repo)
		s.expect(s.has(in(repo, "parent#"+d+"#"+name)), "tag %s of %s has no edge", name, repo)
		s.expect(item.Str("manifests") == s.named(repo, d), "tag %s of %s names other manifests than its index", name, repo)
	case "parent":
		child, parent, _ := strings.Cut(name, "#")
		tagged := s.items[in(repo, "tag#"+parent)].Str("digest") == child
		s.expect(tagged || strings.Contains(parent, ":"), "%s has an edge to tag %s, which does not name it", child, parent)
	case "sent":
		kind, d, _ := strings.Cut(name, "#")
		d, who, _ := strings.Cut(d, "#")
		spelt := (kind == "blob" || kind == "manifest") && strings.Contains(d, ":") && len(who) == 64
		s.expect(!item.Expires.IsZero() && spelt, "sent %s of %s stays for ever, or is misspelt", name, repo)
	case "direct":
		over := item.Str("state") == "done" || item.Str("state") == "failed"
		s.claims[item.Str("object")] = true
		s.expect(!item.Expires.IsZero() && len(name) == 32, "direct upload %s stays for ever, or is misspelt", name)
		s.expect(over != item.Has("object"), "direct upload %s is %s and names %q", name, item.Str("state"), item.Str("object"))
	case "referrer":
		parts := strings.Split(name, "#")
		m := s.items[in(repo, "manifest#"+parts[len(parts)-1])]
		s.expect(isLive(m) && m.Str("subject") == parts[0], "referrer %s is listed and not there", name)
		s.expect(s.has(in(repo, "manifest#"+parts[0])), "%s has referrers and counts none", parts[0])
	}
}

func (s *survey) blob(repo string, d oci.Digest, item table.Item) {
	s.content(d, item)
	s.expect(isLive(item) || !s.calm, "blob %s of %s stays %s", d, repo, item.Str("state"))
	s.expect(s.has(table.Key{Partition: "digest#" + string(d), Sort: "repo#" + repo}), "blob %s of %s is not listed", d, repo)
	if object := item.Str("object"); object != "" {
		s.shares[object]++
		s.expect(s.has(table.Key{Partition: "object#" + object, Sort: "object"}), "%s is not counted", object)
	}
}

// content returns the bytes of a blob or a manifest.
func (s *survey) content(d oci.Digest, item table.Item) []byte {
	body := item.Bin("body")
	if object := item.Str("object"); object != "" {
		held, ok := s.blobs.objects[object]
		s.expect(ok, "%s names %s, which is gone", item.Sort, object)
		body = []byte(held)
	}
	got := oci.AlgorithmOf(d).Sum(body)
	s.expect(got == d && int64(len(body)) == item.Num("size"), "%s holds %d bytes of %s", item.Sort, len(body), got)
	return body
}

func (s *survey) manifest(repo string, d oci.Digest, item table.Item) {
	s.counts(repo, d, item)
	if !isLive(item) {
		s.expect(!item.Has("body") && !item.Has("object"), "stub of %s has a body", d)
		return
	}
	s.bodies[item.Str("object")] = true
	m, err := oci.ParseManifest(item.Str("mediaType"), s.content(d, item))
	s.expect(err == nil, "manifest %s: %v", d, err)
	edges := 0
	for _, c := range m.Children {
		if s.has(in(repo, "parent#"+string(c.Digest)+"#"+string(d))) {
			edges++
		}
		// An index may become sparse, an image may not.
		s.expect(c.Kind != oci.ChildBlob || s.has(in(repo, "blob#"+string(c.Digest))), "manifest %s has lost %s", d, c.Digest)
	}
	s.expect(edges == len(m.Children), "manifest %s has edges from %d of %d children", d, edges, len(m.Children))
	if m.Subject != nil {
		entry := "referrer#" + string(m.Subject.Digest) + "#" + m.ArtifactType + "#" + string(d)
		s.expect(s.has(in(repo, entry)), "%s is not listed", entry)
	}
}

// named is what the tag of a manifest says of the manifests that it lists.
func (s *survey) named(repo, d string) string {
	item := s.items[in(repo, "manifest#"+d)]
	m, _ := oci.ParseManifest(item.Str("mediaType"), item.Bin("body"))
	var digests []string
	for _, c := range m.Children {
		if c.Kind == oci.ChildManifest {
			digests = append(digests, string(c.Digest))
		}
	}
	return strings.Join(digests, "\n")
}

// counts holds the counts on a manifest to the referrers that are listed.
func (s *survey) counts(repo string, subject oci.Digest, item table.Item) {
	listed := map[string]int64{}
	for key, entry := range s.items {
		if key.Partition == "repo#"+repo && strings.HasPrefix(key.Sort, "referrer#"+string(subject)+"#") {
			listed["referrers"]++
			counted := entry.Str("countedAs")
			listed[counted]++
			listed["prints:"+strings.TrimPrefix(counted, "referrers:")] += entry.Num("print")
		}
	}
	for _, a := range item.Attrs {
		if strings.HasPrefix(a.Name, "referrers") || strings.HasPrefix(a.Name, "prints:") {
			s.expect(a.Num() == listed[a.Name], "%s has %d %s and counts %d", subject, listed[a.Name], a.Name, a.Num())
			delete(listed, a.Name)
		}
	}
	s.expect(len(listed) == 0, "%s does not count %v", subject, listed)
}

// objects holds the counts on objects to the blobs that share them.
func (s *survey) objects() {
	for key, item := range s.items {
		if object, ok := strings.CutPrefix(key.Partition, "object#"); ok {
			refs, shares := item.Num("refs"), s.shares[object]
			s.expect(refs == shares && (shares > 0 || !s.calm), "%s has %d shares and counts %d", object, shares, refs)
		}
	}
	for object := range s.blobs.objects {
		used := s.shares[object] > 0 || s.bodies[object]
		s.expect(used || s.claims[object] || s.blobs.late[object] || !s.calm, "object %s is left over", object)
		s.expect(!used || !s.blobs.marked[object], "object %s is published, and the broom will take it", object)
		s.expect(used || !s.blobs.landed[object] || s.blobs.marked[object] || s.blobs.kept[object], "object %s is nobody's and stays", object)
	}
	for id := range s.blobs.parts {
		object, _, _ := strings.Cut(id, "@")
		s.expect(s.claims[object] || !s.calm, "parts %s are left over", id)
	}
}
