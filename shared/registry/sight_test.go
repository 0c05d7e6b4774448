package registry_test

import (
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

// TestAnswersDoNotDependOnHints asks everything in random worlds, with random
// rights, without hints and with several sets of them, right, wrong and forged.
// All answers are what the oracle says.
func TestAnswersDoNotDependOnHints(t *testing.T) {
	for seed := range uint64(60) {
		if askEverything(newWorld(t, newMemTable(), newMemBlobs(), seed, 60), 6); t.Failed() {
			t.Fatalf("in world %d", seed)
		}
	}
}

// The same on real stores.
func TestAnswersDoNotDependOnHintsOnEach(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		askEverything(newWorld(t, tm.table, tm.blobs, 7, 60), 3)
	})
}

func askEverything(w *world, people int) {
	o := consult(w.t, w.table, home, w.now)
	for range people {
		rights := w.rights()
		s := o.to(rights)
		for _, q := range w.questions() {
			want := q.want(s)
			for try := range 3 {
				if rights.Hints = nil; try > 0 {
					rights.Hints = w.hints()
				}
				if got := answer(q.ask(w.t.Context(), w.reg.For(rights))); got != want {
					w.t.Errorf("%s with hints %v: got %q, want %q", q.name, rights.Hints, got, want)
				}
			}
		}
	}
}

// TestPushesGainNothing pushes random manifests into copies of random worlds,
// with random rights and hints. What becomes of the push is what the oracle says,
// whatever the hints; and whoever sees some tags only sees nothing behind it that
// they could not read before, but for what refers to it.
func TestPushesGainNothing(t *testing.T) {
	told := map[string]int{}
	for seed := range uint64(100) {
		tab, obj := newMemTable(), newMemBlobs()
		w := newWorld(t, tab, obj, seed, 60)
		o := consult(t, tab, home, w.now)
		for range 20 {
			body, tags, rights := w.compose(), w.someTags(2), w.rights()
			if w.IntN(3) == 0 {
				body = one(w, w.pushes)
			}
			before := o.to(rights)
			want := before.push(body, tags)
			told[want]++
			for try := range 3 {
				if rights.Hints = nil; try > 0 {
					rights.Hints = w.hints()
				}
				after := tab.clone()
				got := answer(push(body, tags...).do(t.Context(), w.open(after, obj.clone()).For(rights)))
				if got == "" {
					got = "pushed"
				}
				if got != want {
					t.Fatalf("world %d: push %s as %v with hints %v: got %q, want %q", seed, body, tags, rights.Hints, got, want)
				}
				gainsNothing(t, before, consult(t, after, home, w.now), oci.SHA256.Sum(body))
			}
		}
	}
	for _, answer := range []string{"pushed", "DENIED", "MANIFEST_BLOB_UNKNOWN"} {
		if told[answer] < 100 {
			t.Errorf("%d pushes were answered %q: the worlds have become dull", told[answer], answer)
		}
	}
}

// gainsNothing holds what somebody reaches downwards from their tags to what they
// could read before, be it under another name: an index that lists a manifest
// leads to a blob of the same bytes as well.
func gainsNothing(t *testing.T, before seer, after *oracle, pushed oci.Digest) {
	t.Helper()
	if before.Pull.All() {
		return
	}
	h := after.horizon(before.Pull, false)
	for d := range h.manifests {
		if _, here := after.manifests[d]; here && d != pushed && !before.seesManifest(d) && !before.hasSentManifest(d) {
			t.Fatalf("manifest %s has come into sight", d)
		}
	}
	for d := range h.blobs {
		_, read := before.oracle.manifests[d]
		read = read && (before.seesManifest(d) || before.hasSentManifest(d))
		if after.blobs[d] && !read && !before.seesBlob(d) && !before.hasSentBlob(d) {
			t.Fatalf("blob %s has come into sight", d)
		}
	}
}
