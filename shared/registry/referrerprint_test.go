package registry_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// keepsItsPrint fails unless a list that was just read is recognised by its
// fingerprint, and read again by who has another.
func keepsItsPrint(ctx context.Context, r *registry.Registry, d oci.Digest, list registry.ReferrersPage) error {
	has := func(known string) (registry.ReferrersPage, bool, error) {
		return r.ReferrersUnless(ctx, home, d, "", func(now string) bool { return now == known })
	}
	unread, same, err := has(list.Fingerprint)
	if err == nil && (!same || unread.Fingerprint != list.Fingerprint || unread.Descriptors != nil) {
		return fmt.Errorf("the list of fingerprint %q is not the same: %+v", list.Fingerprint, unread)
	}
	if err != nil {
		return err
	}
	read, same, err := has("other")
	if err == nil && (same || !reflect.DeepEqual(read, list)) {
		return fmt.Errorf("got %+v, want the list %+v", read, list)
	}
	return err
}

// fingerprint returns that of a list, which a conditional read must recognise.
func (tm team) fingerprint(d oci.Digest, artifactType string) string {
	tm.Helper()
	page, err := tm.reg.Referrers(tm.Context(), tm.repo, d, artifactType, "")
	if err != nil {
		tm.Fatal(err)
	}
	if same := tm.has(d, artifactType, page.Fingerprint); !same {
		tm.Errorf("the list of type %q is not known by its fingerprint %q", artifactType, page.Fingerprint)
	}
	return page.Fingerprint
}

func (tm team) has(d oci.Digest, artifactType, known string) bool {
	tm.Helper()
	_, same, err := tm.reg.ReferrersUnless(tm.Context(), tm.repo, d, artifactType, func(now string) bool { return now == known })
	if err != nil {
		tm.Fatal(err)
	}
	return same
}

// TestFingerprintOfAList goes through all that changes who refers to a subject,
// and through what does not.
func TestFingerprintOfAList(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		config := tm.blob(100)
		body := image(config, nil, nil)
		d := describe(oci.MediaTypeImage, body)
		const sbom, sig = "application/sbom", "application/sig"
		empty := tm.fingerprint(d.Digest, "")
		steps := []struct {
			what             string
			all, sboms, sigs bool // whether that list is another one
			do               func()
		}{
			{"attach to what is not here", true, true, false, func() { tm.mustPut("", referrer(config, d, sbom, 1)) }},
			{"push the subject", false, false, false, func() { tm.mustPut("1", body) }},
			{"tag it", false, false, false, func() { tm.mustPut("2", body) }},
			{"attach another", true, false, true, func() { tm.mustPut("", referrer(config, d, sig, 2)) }},
			{"attach it again", false, false, false, func() { tm.mustPut("", referrer(config, d, sig, 2)) }},
			{"tag a referrer", false, false, false, func() { tm.mustPut("sig", referrer(config, d, sig, 2)) }},
			{"attach a second of the type", true, false, true, func() { tm.mustPut("", referrer(config, d, sig, 3)) }},
			{"detach the first", true, false, true, func() { tm.deleteBody(referrer(config, d, sig, 2)) }},
			{"attach one in its place", true, false, true, func() { tm.mustPut("", referrer(config, d, sig, 4)) }},
			{"delete the subject", false, false, false, func() { tm.deleteBody(body) }},
			{"detach the only one of its type", true, true, false, func() { tm.deleteBody(referrer(config, d, sbom, 1)) }},
			{"push the subject again", false, false, false, func() { tm.mustPut("1", body) }},
			{"detach", true, false, true, func() { tm.deleteBody(referrer(config, d, sig, 3)) }},
			{"detach the last", true, false, true, func() { tm.deleteBody(referrer(config, d, sig, 4)) }},
			{"delete it with nothing about it", false, false, false, func() { tm.deleteBody(body) }},
		}
		was := map[string]string{"": empty, sbom: empty, sig: empty}
		for _, step := range steps {
			step.do()
			for artifactType, changes := range map[string]bool{"": step.all, sbom: step.sboms, sig: step.sigs} {
				known := was[artifactType]
				same, now := tm.has(d.Digest, artifactType, known), tm.fingerprint(d.Digest, artifactType)
				if same == changes || (now == known) == changes {
					t.Errorf("%s: the list of type %q is the same: %v, was %q, is %q", step.what, artifactType, same, known, now)
				}
				was[artifactType] = now
			}
		}
		if was[""] != empty {
			t.Errorf("in the end the fingerprint is %q, want %q as in the beginning", was[""], empty)
		}
	})
}

func (tm team) deleteBody(body []byte) {
	tm.Helper()
	if err := tm.reg.DeleteManifest(tm.Context(), tm.repo, oci.SHA256.Sum(body), registry.Precondition{}); err != nil {
		tm.Fatal(err)
	}
}

// Bytes that come back as another media type are listed as another, although
// digest and type are those of before.
func TestFingerprintOfAnotherMediaType(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	subject := tm.mustPut("1", image(tm.blob(100), nil, nil))
	body := fmt.Appendf(nil, `{"schemaVersion":2,"artifactType":"a/b","layers":[],"config":%s,"subject":%s}`,
		marshal(tm.blob(100)), marshal(subject))
	var was string
	for _, mediaType := range []string{oci.MediaTypeDockerImage, oci.MediaTypeImage} {
		if _, err := tm.reg.PutManifest(t.Context(), registry.ManifestPush{Repo: tm.repo,
			Ref: oci.Reference{Digest: oci.SHA256.Sum(body)}, ContentType: mediaType, Body: body}); err != nil {
			t.Fatal(err)
		}
		now := tm.fingerprint(subject.Digest, "")
		if now == was {
			t.Errorf("as %s the fingerprint is %q again", mediaType, now)
		}
		was = now
		tm.deleteBody(body)
	}
}

// Where types are too many to be counted one by one, or there is none, the item
// does not tell about one type: the list is read, and is right.
func TestFingerprintOfManyTypes(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	config := tm.blob(100)
	subject := tm.mustPut("1", image(config, nil, nil))
	for n := range 130 {
		tm.mustPut("", referrer(config, subject, fmt.Sprintf("application/t%d", n), n))
	}
	tm.fingerprint(subject.Digest, "")
	for _, artifactType := range []string{"application/t129", "application/t1", "application/none"} {
		page, same, err := tm.reg.ReferrersUnless(t.Context(), tm.repo, subject.Digest, artifactType, func(string) bool { return true })
		if err != nil || same || page.Fingerprint == "" {
			t.Errorf("%s: got %+v, the same: %v, %v", artifactType, page, same, err)
		}
	}
}

// A late table answers queries, as long as it is told to, as it did before the last
// transactions: what a query may see of a transaction in part, at its worst.
type late struct {
	table.Store
	lags  bool
	pages map[table.Query]table.Page
}

func (l *late) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if page, ok := l.pages[q]; ok && l.lags {
		return page, nil
	}
	page, err := l.Store.Query(ctx, q)
	l.pages[q] = page
	return page, err
}

// Who was told a list that was no longer right when it was told is not told that it
// still is.
func TestFingerprintOfATornList(t *testing.T) {
	tab, obj := stores(t)
	l := &late{Store: tab, pages: map[table.Query]table.Page{}}
	tm := newTeamOn(t, l, obj, registry.Options{})
	config := tm.blob(100)
	subject := tm.mustPut("1", image(config, nil, nil))
	first := referrer(config, subject, "a/b", 1)
	tm.mustPut("", first)
	read := func(known string) (page registry.ReferrersPage, same bool) {
		t.Helper()
		page, same, err := tm.reg.ReferrersUnless(t.Context(), tm.repo, subject.Digest, "", func(now string) bool { return now == known })
		if err != nil {
			t.Fatal(err)
		}
		return page, same
	}
	for _, change := range []func(){
		func() { tm.mustPut("", referrer(config, subject, "a/b", 2)) },
		func() { tm.deleteBody(first) },
	} {
		before, _ := read("")
		change()
		l.lags = true
		stale, same := read("")
		if same || stale.Fingerprint != before.Fingerprint {
			t.Fatalf("the list that lags is %q, the same: %v; want %q again", stale.Fingerprint, same, before.Fingerprint)
		}
		l.lags = false
		if now, same := read(stale.Fingerprint); same || now.Fingerprint == stale.Fingerprint {
			t.Errorf("a list from before is still right, by the fingerprint %q", stale.Fingerprint)
		}
	}
}

// The largest manifest with referrers of as many types as are counted, all as long
// as can be, fits an item.
func TestPrintsFitTheItem(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	config := tm.blob(100)
	body := image(config, nil, map[string]any{"annotations": map[string]string{"a": ""}})
	body = image(config, nil, map[string]any{"annotations": map[string]string{"a": strings.Repeat("x", 256<<10-len(body))}})
	d := describe(oci.MediaTypeImage, body)
	for n := range 130 {
		long := fmt.Sprintf("application/%03d%s", n, strings.Repeat("x", oci.MaxArtifactType-len("application/000")))
		tm.mustPut("", referrer(config, d, long, n))
	}
	tm.mustPut("1", body)
	item, err := tm.table.Get(t.Context(), table.Key{Partition: "repo#" + tm.repo, Sort: "manifest#" + string(d.Digest)})
	if err != nil || !item.Has("body") {
		t.Fatalf("the body is not in the item: %v", err)
	}
	// What is left is for types that come at the same moment.
	if n := item.Size(); n > table.MaxItem-64<<10 {
		t.Errorf("the item has %d bytes of %d", n, table.MaxItem)
	}
	tm.fingerprint(d.Digest, "")
}

// Referrers from before they had prints count for nothing but themselves, and
// whatever changes is still seen.
func TestFingerprintOfReferrersWithoutPrints(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	config := tm.blob(100)
	subject := tm.mustPut("1", image(config, nil, nil))
	old := referrer(config, subject, "a/b", 1)
	tm.mustPut("", old)
	entry := "referrer#" + string(subject.Digest) + "#a/b#" + string(oci.SHA256.Sum(old))
	if err := tm.table.Transact(t.Context(), table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Update(table.Key{Partition: "repo#" + tm.repo, Sort: entry}).Unsetting("print"),
		table.Update(table.Key{Partition: "repo#" + tm.repo, Sort: "manifest#" + string(subject.Digest)}).Unsetting("prints:a/b"),
	}}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{tm.fingerprint(subject.Digest, "a/b"): true}
	for i, change := range []func(){
		func() { tm.mustPut("", referrer(config, subject, "a/b", 2)) },
		func() { tm.deleteBody(old) },
		func() { tm.mustPut("", old) },
		func() { tm.deleteBody(referrer(config, subject, "a/b", 2)) },
	} {
		change()
		now := tm.fingerprint(subject.Digest, "a/b")
		if seen[now] {
			t.Errorf("after change %d the fingerprint is %q again", i, now)
		}
		seen[now] = true
	}
}

// A page of a list that goes on is not recognised: it is not all that there is.
func TestFingerprintOfPages(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	config := tm.blob(100)
	subject := tm.mustPut("1", image(config, nil, nil))
	for n := range 18 {
		tm.mustPut("", image(config, nil, map[string]any{"subject": subject, "artifactType": "a/b",
			"annotations": map[string]string{"big": fmt.Sprint(n, strings.Repeat("x", 240<<10))}}))
	}
	for next, pages := "", 0; next != "" || pages == 0; pages++ {
		page, err := tm.reg.Referrers(t.Context(), tm.repo, subject.Digest, "", next)
		if err != nil || page.Fingerprint != "" {
			t.Errorf("page %d: fingerprint %q, %v", pages, page.Fingerprint, err)
		}
		next = page.Next
	}
}

func TestBudgetOfAListThatIsKnown(t *testing.T) {
	b := newBudget(t)
	config := b.blob(100)
	subject := b.mustPut("1", image(config, nil, nil))
	for n := range 1000 {
		b.mustPut("", referrer(config, subject, fmt.Sprintf("application/vnd.t%d", n%100), n))
	}
	for _, artifactType := range []string{"", "application/vnd.t7"} {
		known := b.fingerprint(subject.Digest, artifactType)
		b.spends("a list that is known", tabletest.Counts{Gets: 1}, nil, func() error {
			_, same, err := b.reg.ReferrersUnless(t.Context(), b.repo, subject.Digest, artifactType, func(now string) bool { return now == known })
			if !same {
				t.Error("the list is another")
			}
			return err
		})
		b.spends("a list that has changed", tabletest.Counts{Gets: 1, Queries: 1}, nil, func() error {
			_, _, err := b.reg.ReferrersUnless(t.Context(), b.repo, subject.Digest, artifactType, func(string) bool { return false })
			return err
		})
	}
}
