package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// TestDirectFaults goes through the life of direct uploads with a fault at every
// call of the stores in turn, in both flavours, for one call and for several in a
// row, and a client that tries again. In the end all is there that should be, and
// when the broom has been, nothing else.
func TestDirectFaults(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, length := range []int64{1, 5} {
			t.Run(fmt.Sprintf("after=%v length=%d", after, length), func(t *testing.T) {
				t.Parallel()
				everywhere(t, func(n int64) trouble {
					s := &storm{}
					s.after.Store(after)
					s.from.Store(n)
					s.length.Store(length)
					return s
				})
			})
		}
	}
}

// TestDirectCrashes is the same with a process that ends at every call in turn,
// before it or behind it, and another that serves the client's next request.
func TestDirectCrashes(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%v", after), func(t *testing.T) {
			t.Parallel()
			everywhere(t, func(n int64) trouble { return &crash{at: n, after: after} })
		})
	}
}

// everywhere lives a life with trouble at each call in turn.
func everywhere(t *testing.T, at func(int64) trouble) {
	rules, err := blobstest.LifecycleRules("../../infra/state.yaml", 7)
	if err != nil {
		t.Fatal(err)
	}
	for n := int64(1); ; n++ {
		what := at(n)
		if newWharf(t, what, rules).life(); t.Failed() {
			t.Fatalf("with trouble at call %d", n)
		}
		if what.made() < n {
			t.Logf("%d places for trouble", n-1)
			return
		}
	}
}

// trouble is what befalls the calls of both stores.
type trouble interface {
	table(tabletest.Call) tabletest.Fault
	blobs(blobstest.Call) blobstest.Fault
	made() int64 // calls
	told()       // the client has been told, and asks again
	end()
}

func (s *storm) made() int64 { return s.calls.Load() }
func (s *storm) told()       {}
func (s *storm) end()        { s.length.Store(0) }

// A crash lets nothing through from one call on, until the client asks again.
type crash struct {
	mu    sync.Mutex
	calls int64
	at    int64
	after bool // the call is done
	down  bool
}

// strikes says whether a call fails, and whether it is done before.
func (c *crash) strikes() (fails, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	first := c.calls == c.at
	c.down = c.down || first
	return c.down, first && c.after
}

func (c *crash) table(tabletest.Call) tabletest.Fault {
	switch fails, done := c.strikes(); {
	case done:
		return tabletest.FailAfter
	case fails:
		return tabletest.FailBefore
	}
	return tabletest.Proceed
}

func (c *crash) blobs(blobstest.Call) blobstest.Fault {
	switch fails, done := c.strikes(); {
	case done:
		return blobstest.FailAfter(tabletest.ErrFault)
	case fails:
		return blobstest.FailBefore(tabletest.ErrFault)
	}
	return blobstest.Proceed()
}

func (c *crash) made() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func (c *crash) told() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = false
}

func (c *crash) end() {
	c.told()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = 0
}

// A wharf is a quay in trouble, with a client that insists.
type wharf struct {
	quay
	*clock
	trouble trouble
	rules   []blobstest.LifecycleRule
}

func newWharf(t testing.TB, what trouble, rules []blobstest.LifecycleRule) wharf {
	c := newClock()
	memory := blobstest.NewMemory(blobstest.MemoryOptions{Now: c.now, MinPart: 8, MaxSum: 50}) // a crate has 51
	tab, store := tabletest.NewFaulty(newMemTable(), what.table), blobstest.Faulty(memory, what.blobs)
	q := quay{newTeamOn(t, tab, store, registry.Options{Now: c.now}), memory}
	q.reg = q.reg.Tiny()
	return wharf{q, c, what, rules}
}

// insist does something again while the stores are at fault.
func (w wharf) insist(do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if !errors.Is(err, tabletest.ErrFault) || n == 20 {
			return err
		}
		w.trouble.told()
	}
}

// begun begins one blob.
func (w wharf) begun(want direct.Wanted) (b direct.Blob, err error) {
	err = w.insist(func() error {
		begun, err := w.reg.BeginDirect(w.Context(), w.repo, direct.Begin{Blobs: []direct.Wanted{want}})
		if err == nil {
			b = begun.Blobs[0]
		}
		return err
	})
	return b, err
}

// deliver brings a blob, and begins again where the upload has gone. It returns
// the error that the upload ends with.
func (w wharf) deliver(want direct.Wanted, d oci.Digest, body []byte) error {
	for n := 1; ; n++ {
		b, err := w.begun(want)
		if err != nil || b.State != direct.Upload {
			return err
		}
		if b.Upload.State == direct.Open {
			err = w.insist(func() error { return w.sendParts(*b.Upload, body, b.Upload.PartSize) })
		}
		if err == nil {
			err = w.settle(b.Upload.ID, d, len(body))
		}
		if !errors.Is(err, oci.ErrUploadUnknown) || n == 5 {
			return err
		}
	}
}

// settle completes an upload, and waits where somebody else seems to be at it.
func (w wharf) settle(id string, d oci.Digest, size int) (err error) {
	for range 20 {
		var s direct.Status
		err = w.insist(func() (err error) { s, err = w.complete(id, d, size); return err })
		if err != nil || s.State == direct.Done {
			return err
		}
		w.pass(10 * time.Minute)
	}
	return errors.New("it is verified for ever")
}

// life brings blobs in all ways, wrong ones too, and checks what is left.
func (w wharf) life() {
	expect := func(what string, got, want error) {
		w.Helper()
		if !errors.Is(got, want) {
			w.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	all := w.reg
	wrong, aborted := bytes.ToUpper(chest), bytes.ToUpper(parcel)
	w.reg = all.For(limited("alice")) // who sees a tag only
	for _, body := range [][]byte{parcel, chest, crate} {
		expect("deliver", w.deliver(wanted(body), oci.SHA256.Sum(body), body), nil)
	}
	w.reg = all.For(limited("bob"))
	expect("deliver what is here", w.deliver(wanted(crate), oci.SHA256.Sum(crate), crate), nil)
	expect("deliver a stream", w.deliver(stream, oci.SHA512.Sum(crate), crate), nil)
	expect("deliver what is wrong", w.deliver(wanted(wrong), oci.SHA256.Sum(wrong), chest), oci.ErrDigestInvalid)
	b, err := w.begun(wanted(aborted))
	expect("begin", err, nil)
	expect("send", w.send(*b.Upload.Put, aborted), nil)
	if err := w.insist(func() error { return w.reg.AbortDirect(w.Context(), w.repo, b.Upload.ID) }); !errors.Is(err, oci.ErrUploadUnknown) {
		expect("abort", err, nil)
	}
	w.trouble.end()

	for _, d := range []oci.Digest{oci.SHA256.Sum(crate), oci.SHA512.Sum(crate)} {
		w.serves(d, crate) // bob has sent both
	}
	w.reg = all
	for _, body := range [][]byte{parcel, chest} {
		w.serves(oci.SHA256.Sum(body), body)
	}
	for _, body := range [][]byte{wrong, aborted} {
		_, err := w.reg.Blob(w.Context(), w.repo, oci.SHA256.Sum(body))
		expect("what was wrong, or aborted", err, oci.ErrBlobUnknown)
	}
	w.swept(4)
}

// swept has the broom come by when all uploads are over, and checks that so many
// objects are left, and what is served still is.
func (w wharf) swept(objects int) {
	w.Helper()
	w.pass(10 * 24 * time.Hour)
	if _, err := blobstest.Sweep(w.Context(), w.store, w.rules, w.now()); err != nil {
		w.Fatal(err)
	}
	w.leaves(objects)
	w.serves(oci.SHA256.Sum(crate), crate)
}
