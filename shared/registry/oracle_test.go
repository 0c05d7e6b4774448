package registry_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// An oracle knows what somebody may see and do in a repository because it has
// read all of it. It goes from the tags down through the bodies of manifests;
// it knows nothing of edges and hints, and shares no code with the registry.
type oracle struct {
	now       time.Time
	tags      map[string]oci.Digest
	manifests map[oci.Digest]listed // those that are here
	counts    map[oci.Digest]int    // of referrers
	blobs     map[oci.Digest]bool
	sent      map[string]bool // kind, digest and who, as in the key
}

// listed is what a manifest lists.
type listed struct {
	MediaType string
	Config    *entry
	Layers    []entry
	Manifests []entry
	Subject   *entry
}

type entry struct {
	MediaType string
	Digest    oci.Digest
}

func (e entry) isManifest() bool {
	return strings.Contains(e.MediaType, ".manifest.") || strings.Contains(e.MediaType, ".index.")
}

// consult reads a repository.
func consult(t testing.TB, tab table.Store, repo string, now time.Time) *oracle {
	t.Helper()
	o := &oracle{
		now: now, tags: map[string]oci.Digest{}, manifests: map[oci.Digest]listed{}, counts: map[oci.Digest]int{},
		blobs: map[oci.Digest]bool{}, sent: map[string]bool{},
	}
	for name, item := range everythingUnder(t, tab, repo, "tag#") {
		o.tags[name] = oci.Digest(item.Str("digest"))
	}
	for name, item := range everythingUnder(t, tab, repo, "manifest#") {
		if isLive(item) {
			var m listed
			if err := json.Unmarshal(item.Bin("body"), &m); err != nil {
				t.Fatal(err)
			}
			o.manifests[oci.Digest(name)] = m
		}
	}
	for name := range everythingUnder(t, tab, repo, "blob#") {
		o.blobs[oci.Digest(name)] = true
	}
	for name, item := range everythingUnder(t, tab, repo, "sent#") {
		o.sent[name] = item.Expires.After(now)
	}
	for _, m := range o.manifests {
		if m.Subject != nil {
			o.counts[m.Subject.Digest]++
		}
	}
	return o
}

func everythingUnder(t testing.TB, tab table.Store, repo, prefix string) map[string]table.Item {
	t.Helper()
	found := map[string]table.Item{}
	for q := (table.Query{Partition: "repo#" + repo, Prefix: prefix}); ; {
		page, err := tab.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			found[strings.TrimPrefix(item.Sort, prefix)] = item
			q.After = item.Sort
		}
		if !page.More {
			return found
		}
	}
}

// A horizon is what can be reached from some tags.
type horizon struct{ manifests, blobs map[oci.Digest]bool }

// horizon goes down, and up to referrers if it shall.
func (o *oracle) horizon(from registry.Tags, referrers bool) horizon {
	h := horizon{map[oci.Digest]bool{}, map[oci.Digest]bool{}}
	for tag, d := range o.tags {
		if from.Has(tag) {
			h.manifests[d] = true
		}
	}
	for before := -1; before != len(h.manifests)+len(h.blobs); {
		before = len(h.manifests) + len(h.blobs)
		for d, m := range o.manifests {
			if referrers && m.Subject != nil && h.manifests[m.Subject.Digest] {
				h.manifests[d] = true
			}
			if h.manifests[d] {
				h.descend(m)
			}
		}
	}
	return h
}

func (h horizon) descend(m listed) {
	if m.Config != nil {
		h.blobs[m.Config.Digest] = true
	}
	for _, e := range slices.Concat(m.Layers, m.Manifests) {
		h.blobs[e.Digest] = true
	}
	for _, e := range m.Manifests {
		if e.isManifest() {
			h.manifests[e.Digest] = true
		}
	}
}

// A seer is an oracle that speaks to somebody.
type seer struct {
	*oracle
	registry.Rights
	horizon
}

func (o *oracle) to(w registry.Rights) seer { return seer{o, w, o.horizon(w.Pull, true)} }

func (s seer) hasSentManifest(d oci.Digest) bool { return s.hasSent("manifest#", d) }

func (s seer) hasSentBlob(d oci.Digest) bool { return s.hasSent("blob#", d) }

func (s seer) hasSent(kind string, d oci.Digest) bool {
	sum := sha256.Sum256([]byte(s.Who))
	return s.Who != "" && !s.Pull.All() && s.oracle.sent[kind+string(d)+"#"+hex.EncodeToString(sum[:])]
}

func (s seer) seesManifest(d oci.Digest) bool { return s.Pull.All() || s.horizon.manifests[d] }

func (s seer) seesBlob(d oci.Digest) bool { return s.Pull.All() || s.horizon.blobs[d] }

// shut is the answer to who may pull nothing at all, "" to others.
func (s seer) shut(d oci.Digest) string {
	switch {
	case !s.Pull.None():
		return ""
	case (s.hasSentManifest(d) || s.hasSentBlob(d)) && !(s.Push.None() && s.Attach.None()):
		return ""
	}
	return "DENIED"
}

// The answers to requests, as the test writes them down.

func (s seer) manifest(ref oci.Reference) string {
	d := ref.Digest
	if ref.Tag != "" {
		if !s.Pull.Has(ref.Tag) {
			return "DENIED"
		}
		if d = s.tags[ref.Tag]; d == "" {
			return "MANIFEST_UNKNOWN"
		}
	} else if shut := s.shut(d); shut != "" {
		return shut
	}
	_, here := s.oracle.manifests[d]
	switch {
	case here && s.seesManifest(d):
		return fmt.Sprint(d, s.counts[d])
	case here && s.hasSentManifest(d):
		return fmt.Sprint(d, 0)
	case here || !s.listsIt(d):
		if s.Pull.None() {
			return "DENIED"
		}
		return "MANIFEST_UNKNOWN"
	}
	return "MANIFEST_UNKNOWN, but listed"
}

// listsIt says whether an index in sight lists a manifest that is in sight.
func (s seer) listsIt(d oci.Digest) bool {
	for i, m := range s.oracle.manifests {
		if s.seesManifest(d) && s.seesManifest(i) && slices.ContainsFunc(m.Manifests, func(e entry) bool { return e.Digest == d }) {
			return true
		}
	}
	return false
}

func (s seer) blob(d oci.Digest) string {
	switch shut := s.shut(d); {
	case shut != "":
		return shut
	case s.oracle.blobs[d] && (s.seesBlob(d) || s.hasSentBlob(d)):
		return string(d)
	case s.Pull.None():
		return "DENIED"
	}
	return "BLOB_UNKNOWN"
}

func (s seer) referrers(d oci.Digest) string {
	if s.Pull.None() {
		return "DENIED"
	}
	var found []string
	for r, m := range s.oracle.manifests {
		if m.Subject != nil && m.Subject.Digest == d && s.seesManifest(d) {
			found = append(found, string(r))
		}
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

func (s seer) tagList(n int) string {
	if s.Pull.None() {
		return "DENIED"
	}
	tags := slices.DeleteFunc(slices.Sorted(maps.Keys(s.tags)), func(tag string) bool { return !s.Pull.Has(tag) })
	more := len(tags) > n
	return fmt.Sprint(tags[:min(n, len(tags))], more)
}

// push says what becomes of a manifest push.
func (s seer) push(body []byte, tags []string) string {
	var m listed
	if err := json.Unmarshal(body, &m); err != nil {
		panic(err)
	}
	d := oci.SHA256.Sum(body)
	for _, tag := range tags {
		if !s.Tag.Has(tag) {
			return "DENIED"
		}
	}
	_, here := s.oracle.manifests[d]
	attaches := m.Subject != nil && len(tags) == 0 && !s.Attach.None()
	switch {
	case len(tags) == 0 && s.Push.None() && s.Attach.None():
		return "DENIED"
	case here && s.seesManifest(d):
		return "pushed"
	case here && s.hasSentManifest(d):
	case s.Push.None() && !attaches:
		return "DENIED"
	case m.Subject != nil && !s.Attach.All() && !s.oracle.horizon(s.Attach, true).manifests[m.Subject.Digest]:
		return "DENIED"
	}
	if !s.mayList(m) {
		return "MANIFEST_BLOB_UNKNOWN"
	}
	return "pushed"
}

// mayList says whether all that a manifest lists is here, as far as it must be,
// and may be referred to. The repository takes sparse indexes.
func (s seer) mayList(m listed) bool {
	parts := m.Layers
	if m.Config != nil {
		parts = append(slices.Clone(parts), *m.Config)
	}
	for _, e := range parts {
		if !s.oracle.blobs[e.Digest] || !s.mayReferTo(e.Digest, false) {
			return false
		}
	}
	for _, e := range m.Manifests {
		_, manifest := s.oracle.manifests[e.Digest]
		manifest = manifest && s.mayReferTo(e.Digest, true)
		blob := !e.isManifest() && s.oracle.blobs[e.Digest] && s.mayReferTo(e.Digest, false)
		if !s.Pull.All() && !manifest && !blob {
			return false
		}
	}
	return true
}

func (s seer) mayReferTo(d oci.Digest, asManifest bool) bool {
	switch {
	case asManifest && s.seesManifest(d) || !asManifest && s.seesBlob(d):
		return true
	case !asManifest:
		return s.hasSentBlob(d)
	case !s.hasSentManifest(d):
		return false
	}
	m, here := s.oracle.manifests[d]
	var children []entry
	children = append(children, slices.Concat(m.Layers, m.Manifests)...)
	if m.Config != nil {
		children = append(children, *m.Config)
	}
	for _, e := range children {
		if !s.mayReferTo(e.Digest, slices.Contains(m.Manifests, e) && e.isManifest()) {
			return false
		}
	}
	return here
}
