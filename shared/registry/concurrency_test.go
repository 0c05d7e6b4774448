package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// at runs do n times at once and returns what each returned.
func at[T any](n int, do func(i int) T) []T {
	out := make([]T, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	return out
}

// TestAttachAtOnce: 64 clients attach to one subject. All succeed, the counts
// are exact, and after the first answer nobody is told `absent`.
func TestAttachAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		const clients = 64
		empty := tm.blob(100)
		subject := tm.image("1")
		var answered atomic.Int64
		var watching sync.WaitGroup
		done := make(chan struct{})
		watching.Go(func() {
			for {
				before := answered.Load()
				m, err := tm.manifest(string(subject.Digest))
				if err != nil || m.Referrers.Count < before {
					t.Errorf("after %d attachments were answered, a GET says %d, %v", before, m.Referrers.Count, err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
		for i, err := range at(clients, func(i int) error {
			_, err := tm.put("", referrer(empty, subject, fmt.Sprintf("application/vnd.t%d", i%4), i))
			answered.Add(1)
			return err
		}) {
			if err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		}
		close(done)
		watching.Wait()
		if p := tm.presence(subject.Digest); p.Count != clients || len(p.Types) != 4 {
			t.Errorf("got %+v, want %d of 4 types", p, clients)
		}
		if n := len(tm.listed(subject.Digest, "")); n != clients {
			t.Errorf("%d are listed, want %d", n, clients)
		}
		if n := len(tm.listed(subject.Digest, "application/vnd.t2")); n != clients/4 {
			t.Errorf("%d of one type are listed, want %d", n, clients/4)
		}
	})
}

// TestDetachAtOnce: what was attached is deleted by many at once, among them
// several that delete the same.
func TestDetachAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		const referrers = 16
		empty := tm.blob(100)
		subject := tm.image("1")
		var put []oci.Descriptor
		for i := range referrers {
			put = append(put, tm.mustPut("", referrer(empty, subject, "application/vnd.t", i)))
		}
		errs := at(3*referrers, func(i int) error {
			return tm.reg.DeleteManifest(t.Context(), tm.repo, put[i%referrers].Digest, registry.Precondition{})
		})
		gone := 0
		for _, err := range errs {
			switch {
			case err == nil:
				gone++
			case !errors.Is(err, oci.ErrManifestUnknown):
				t.Errorf("got %v, want success or MANIFEST_UNKNOWN", err)
			}
		}
		if gone != referrers {
			t.Errorf("%d deletions succeeded, want %d", gone, referrers)
		}
		if p := tm.presence(subject.Digest); p.Count != 0 || len(p.Types) != 0 {
			t.Errorf("got %+v, want nothing", p)
		}
		if l := tm.listed(subject.Digest, ""); len(l) != 0 {
			t.Errorf("got %+v listed, want nothing", l)
		}
	})
}

// TestTagAtOnce: 32 clients push different images as one tag. All succeed, one
// has the tag, all are there.
func TestTagAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		const clients = 32
		config := tm.blob(100)
		type answer struct {
			d   oci.Digest
			err error
		}
		answers := at(clients, func(i int) answer {
			d, err := tm.put("latest", image(config, nil, map[string]any{"annotations": map[string]string{"i": fmt.Sprint(i)}}))
			return answer{d.Digest, err}
		})
		var all []oci.Digest
		for i, a := range answers {
			if a.err != nil {
				t.Fatalf("client %d: %v", i, a.err)
			}
			if _, err := tm.manifest(string(a.d)); err != nil {
				t.Errorf("pull what client %d pushed: %v", i, err)
			}
			all = append(all, a.d)
		}
		m, err := tm.manifest("latest")
		if err != nil || !slices.Contains(all, m.Digest) {
			t.Errorf("latest is %s, %v, want one of those pushed", m.Digest, err)
		}
		// Only the winner goes with the tag, and the tag with the winner.
		if err := tm.reg.DeleteManifest(t.Context(), tm.repo, m.Digest, registry.Precondition{}); err != nil {
			t.Fatal(err)
		}
		if _, err := tm.manifest("latest"); !errors.Is(err, oci.ErrManifestUnknown) {
			t.Errorf("latest without its manifest: %v, want MANIFEST_UNKNOWN", err)
		}
		if tags, _, err := tm.reg.Tags(t.Context(), tm.repo, "", -1); err != nil || len(tags) != 0 {
			t.Errorf("tags %v, %v, want none", tags, err)
		}
	})
}

// TestCompareAndSwapTag: of many that move a tag from the same digest, one does.
func TestCompareAndSwapTag(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		old := tm.image("1")
		config := tm.blob(100)
		errs := at(16, func(i int) error {
			body := image(config, nil, map[string]any{"annotations": map[string]string{"i": fmt.Sprint(i)}})
			_, err := tm.reg.PutManifest(t.Context(), registry.ManifestPush{
				Repo: tm.repo, Ref: oci.Reference{Tag: "1"}, Body: body,
				If: registry.Precondition{Match: []oci.Digest{old.Digest}},
			})
			return err
		})
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, oci.ErrPrecondition):
				t.Errorf("got %v, want success or a failed precondition", err)
			}
		}
		if won != 1 {
			t.Errorf("%d won, want 1", won)
		}
	})
}

// TestDeleteWhilePushing: whenever a push succeeds, what it needs is there, and
// whenever a deletion succeeds, nothing that was answered needs it.
func TestDeleteWhilePushing(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		for round := range 20 {
			config, layer := tm.blob(100), tm.blob(30<<10)
			body := image(config, []oci.Descriptor{layer}, map[string]any{"annotations": map[string]string{"r": fmt.Sprint(round)}})
			errs := at(2, func(i int) error {
				if i == 0 {
					_, err := tm.put("", body)
					return err
				}
				return tm.reg.DeleteBlob(t.Context(), tm.repo, layer.Digest)
			})
			pushed, deleted := errs[0] == nil, errs[1] == nil
			_, err := tm.reg.StatBlob(t.Context(), tm.repo, layer.Digest)
			if pushed && (deleted || err != nil) {
				t.Fatalf("round %d: push %v, delete %v, and the layer: %v", round, errs[0], errs[1], err)
			}
			if !pushed && !errors.Is(errs[0], oci.ErrManifestBlobUnknown) {
				t.Fatalf("round %d: push %v", round, errs[0])
			}
			if !deleted && !errors.Is(errs[1], oci.ErrInUse) {
				t.Fatalf("round %d: delete %v", round, errs[1])
			}
		}
	})
}

// TestSameBlobAtOnce: one blob pushed by many is one blob, and its bytes go
// when it is deleted.
func TestSameBlobAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		body := payload(100 << 10)
		for i, err := range at(16, func(int) error { _, err := tm.pushBlob(body); return err }) {
			if err != nil {
				t.Fatalf("client %d: %v", i, err)
			}
		}
		d := oci.SHA256.Sum(body)
		tm.serves(d, body)
		if err := tm.reg.DeleteBlob(t.Context(), tm.repo, d); err != nil {
			t.Fatal(err)
		}
		if _, err := tm.reg.Blob(t.Context(), tm.repo, d); !errors.Is(err, oci.ErrBlobUnknown) {
			t.Errorf("got %v, want BLOB_UNKNOWN", err)
		}
	})
}

// TestFinishAtOnce: two requests end one upload with different last chunks.
// Whatever is published is what its digest says.
func TestFinishAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, tm team) {
		for range 10 {
			head := payload(40 << 10)
			u, err := tm.reg.StartUpload(t.Context(), tm.repo, "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tm.reg.AppendUpload(t.Context(), tm.repo, u.ID, 0, int64(len(head)), bytes.NewReader(head)); err != nil {
				t.Fatal(err)
			}
			bodies := [][]byte{append(bytes.Clone(head), 'a', 'b'), append(bytes.Clone(head), 'c', 'd')}
			errs := at(2, func(i int) error {
				tail := bytes.NewReader(bodies[i][len(head):])
				_, err := tm.reg.FinishUpload(t.Context(), tm.repo, u.ID, int64(len(head)), 2, oci.SHA256.Sum(bodies[i]), tail)
				return err
			})
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("got %v and %v, want one winner", errs[0], errs[1])
			}
			for i, body := range bodies {
				if errs[i] == nil {
					tm.serves(oci.SHA256.Sum(body), body)
				} else if _, err := tm.reg.Blob(t.Context(), tm.repo, oci.SHA256.Sum(body)); err == nil {
					t.Error("the loser's blob is there")
				}
			}
		}
	})
}
