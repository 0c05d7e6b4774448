package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// A storm lets calls of both stores fail: those from the nth on, as many as
// length. Failed and failed-but-happened are told apart by after.
type storm struct {
	calls, from, length atomic.Int64
	after               atomic.Bool
}

func (s *storm) strikes() bool {
	n := s.calls.Add(1)
	return n >= s.from.Load() && n < s.from.Load()+s.length.Load()
}

func (s *storm) table(tabletest.Call) tabletest.Fault {
	switch {
	case !s.strikes():
		return tabletest.Proceed
	case s.after.Load():
		return tabletest.FailAfter
	}
	return tabletest.FailBefore
}

func (s *storm) blobs(blobstest.Call) blobstest.Fault {
	switch {
	case !s.strikes():
		return blobstest.Proceed()
	case s.after.Load():
		return blobstest.FailAfter(tabletest.ErrFault)
	}
	return blobstest.FailBefore(tabletest.ErrFault)
}

// TestFaults goes through the life of an image with a fault at every call of
// the stores in turn, in both flavours, for one call and for several in a row,
// and a client that tries again. Whatever fails on the way, in the end
// everything is as if nothing had.
func TestFaults(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, length := range []int64{1, 5} {
			t.Run(fmt.Sprintf("after=%v length=%d", after, length), func(t *testing.T) {
				t.Parallel()
				s := &storm{}
				tab, obj := stores(t)
				tm := newTeamOn(t, tabletest.NewFaulty(tab, s.table), blobstest.Faulty(obj, s.blobs), registry.Options{})
				s.after.Store(after)
				for n := int64(1); ; n++ {
					tm.repo = fmt.Sprintf("team/app%d", n)
					s.calls.Store(0)
					s.from.Store(n)
					s.length.Store(length)
					tm.life(s)
					if t.Failed() {
						t.Fatalf("with a fault at call %d", n)
					}
					if s.calls.Load() < n {
						t.Logf("%d places to fail at", n-1)
						break
					}
				}
			})
		}
	}
}

// insist is a client that tries again while the registry is at fault. done are
// the errors that say, on a second try, that the first one worked.
func (tm team) insist(what string, do func() error, done ...error) {
	tm.Helper()
	for try := 1; ; try++ {
		err := do()
		if err == nil {
			return
		}
		for _, d := range done {
			if try > 1 && errors.Is(err, d) {
				return
			}
		}
		if !errors.Is(err, tabletest.ErrFault) || try == 10 {
			tm.Errorf("%s: %v", what, err)
			return
		}
	}
}

// life pushes, attaches, tags, mounts and deletes, and checks what is left. The
// storm rests while it looks.
func (tm team) life(s *storm) {
	small, large := payload(100), payload(50<<10)
	tm.insist("push small blob", func() error { _, err := tm.pushBlob(small); return err })
	large2 := tm.upload(large)
	config := describe("application/vnd.config", small)
	img := image(config, []oci.Descriptor{large2}, nil)
	d := describe(oci.MediaTypeImage, img)
	put := func(tag string, body []byte) func() error {
		return func() error { _, err := tm.put(tag, body); return err }
	}
	sigs := [][]byte{referrer(config, d, "application/a", 1), referrer(config, d, "application/b", 2), referrer(config, d, "application/b", 3)}
	tm.insist("attach before the subject is there", put("", sigs[0]))
	tm.insist("push image", put("1", img))
	tm.insist("attach", put("", sigs[1]))
	tm.insist("attach", put("", sigs[2]))
	tm.insist("tag", put("2", img))
	tm.insist("mount", func() error { return tm.reg.Mount(tm.Context(), tm.repo+"/other", tm.repo, large2.Digest) })
	tm.insist("detach", func() error {
		return tm.reg.DeleteManifest(tm.Context(), tm.repo, oci.SHA256.Sum(sigs[1]), registry.Precondition{})
	}, oci.ErrManifestUnknown)
	tm.insist("delete tag", func() error { return tm.reg.DeleteTag(tm.Context(), tm.repo, "1", registry.Precondition{}) }, oci.ErrManifestUnknown)

	rest := s.length.Swap(0)
	if p := tm.presence(d.Digest); p.Count != 2 || fmt.Sprint(p.Types) != "[application/a application/b]" {
		tm.Errorf("presence %+v, want two", p)
	}
	if n := len(tm.listed(d.Digest, "")); n != 2 {
		tm.Errorf("%d referrers listed, want 2", n)
	}
	if tags, _, err := tm.reg.Tags(tm.Context(), tm.repo, "", -1); err != nil || fmt.Sprint(tags) != "[2]" {
		tm.Errorf("tags %v, %v, want [2]", tags, err)
	}
	tm.serves(large2.Digest, large)
	s.length.Store(rest)

	tm.insist("delete image", func() error {
		return tm.reg.DeleteManifest(tm.Context(), tm.repo, d.Digest, registry.Precondition{})
	}, oci.ErrManifestUnknown)
	tm.insist("delete blob", func() error { return tm.reg.DeleteBlob(tm.Context(), tm.repo, large2.Digest) }, oci.ErrBlobUnknown)

	s.length.Swap(0)
	if _, err := tm.manifest("2"); !errors.Is(err, oci.ErrManifestUnknown) {
		tm.Errorf("the deleted image: %v", err)
	}
	other := tm
	other.repo += "/other"
	other.serves(large2.Digest, large)
}

// upload sends a blob in two chunks, each request of which is tried again.
func (tm team) upload(body []byte) oci.Descriptor {
	d := describe("application/vnd.layer", body)
	half := int64(len(body) / 2)
	var u registry.Upload
	tm.insist("POST", func() (err error) { u, err = tm.reg.StartUpload(tm.Context(), tm.repo, ""); return err })
	tm.insist("PATCH", func() error {
		now, err := tm.reg.AppendUpload(tm.Context(), tm.repo, u.ID, 0, half, bytes.NewReader(body[:half]))
		if errors.Is(err, oci.ErrOutOfOrder) && now.Offset == half {
			return nil // the chunk is there already
		}
		return err
	})
	tm.insist("PUT", func() error {
		_, err := tm.reg.FinishUpload(tm.Context(), tm.repo, u.ID, half, int64(len(body))-half, d.Digest, bytes.NewReader(body[half:]))
		return err
	})
	return d
}
