package registry_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// A vast store is one whose objects are as large as they like: what is read of
// them takes its time, and is not there.
type vast struct {
	*blobstest.Memory
	slow time.Duration // for one read

	mu      sync.Mutex
	buffers map[*byte]int // that were read into, and their sizes
	read    map[int64]int // how often, by the offset
	bytes   int64
}

func newVast(slow time.Duration) *vast {
	return &vast{
		Memory: blobstest.NewMemory(blobstest.MemoryOptions{}), slow: slow,
		buffers: map[*byte]int{}, read: map[int64]int{},
	}
}

func (v *vast) ReadAt(ctx context.Context, _ string, p []byte, offset int64) error {
	select {
	case <-time.After(v.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.buffers[&p[0]] = len(p)
	v.read[offset]++
	v.bytes += int64(len(p))
	return nil
}

// An odometer is a hash of how much there is, whatever it is.
type odometer struct{ n uint64 }

func (o *odometer) Write(p []byte) (int, error) { o.n += uint64(len(p)); return len(p), nil }
func (o *odometer) Sum(b []byte) []byte         { return binary.BigEndian.AppendUint64(b, o.n) }
func (o *odometer) Reset()                      { o.n = 0 }
func (o *odometer) Size() int                   { return 8 }
func (o *odometer) BlockSize() int              { return 1 }

func (o *odometer) MarshalBinary() ([]byte, error) { return o.Sum(nil), nil }
func (o *odometer) UnmarshalBinary(state []byte) error {
	o.n = binary.BigEndian.Uint64(state)
	return nil
}

// sendHollow sends the parts of a blob that has none but sizes.
func (q quay) sendHollow(s direct.Status) {
	q.Helper()
	var sign direct.Sign
	for n, left := 1, s.Size; left > 0; n, left = n+1, left-s.PartSize {
		piece := direct.Part{Number: n, Size: min(left, s.PartSize), SHA256: oci.SHA256.Sum(fmt.Append(nil, n)).Encoded()}
		if sign.Parts = append(sign.Parts, piece); len(sign.Parts) < direct.MaxParts && left > s.PartSize {
			continue
		}
		signed, err := q.reg.SignParts(q.Context(), q.repo, s.ID, sign)
		if err != nil {
			q.Fatal(err)
		}
		for _, to := range signed.Parts {
			header := map[string][]string{}
			for name, value := range to.Header {
				header[name] = []string{value}
			}
			if err := q.store.SendHollow(to.URL, header); err != nil {
				q.Fatal(err)
			}
		}
		sign.Parts = nil
	}
}

// TestDirectOf50GB: a blob too large for the store to sum is verified by several
// runs of a function that is killed after a quarter of an hour, each of which goes
// on from where the last one was. Memory is bounded, and so is what is done twice.
func TestDirectOf50GB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, span, rate = 50e9, 8 * mib, 25e6
		slow := time.Duration(8 * span / rate * float64(time.Second)) // eight at once
		store := newVast(slow)
		counting := tabletest.NewCounting(newMemTable())
		object, calls := blobstest.Counting(store)
		var started []string
		q := quay{newTeamOn(t, counting, object, registry.Options{
			Verify: func(_ context.Context, repo, id string) error { started = append(started, repo+" "+id); return nil },
		}), store.Memory}
		q.reg = q.reg.Hashing(func(oci.Algorithm) hash.Hash { return &odometer{} })
		want := oci.Digest("sha256:" + fmt.Sprintf("%016x", int64(size)))

		s := q.upload(direct.Wanted{Size: size})
		if s.PartSize != 16*mib || s.Parts != 2981 {
			t.Fatalf("got %d parts of %d bytes", s.Parts, s.PartSize)
		}
		q.sendHollow(s)
		calls.Take()
		s, err := q.complete(s.ID, want, size)
		if err != nil || s.State != direct.Verifying || !slices.Equal(started, []string{home + " " + s.ID}) {
			t.Fatalf("got %+v, %v, started %q", s, err, started)
		}
		if took := calls.Take(); took[blobstest.Parts] != 3 || len(took) != 1 {
			t.Errorf("complete costs %v, want 3 lists of parts", took)
		}
		counting.Reset()
		runs, verified := 0, int64(0)
		for ; len(started) > runs; runs++ {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			if err := q.reg.VerifyDirect(ctx, q.repo, s.ID); err != nil || ctx.Err() != nil {
				t.Fatalf("run %d: %v, deadline %v", runs, err, ctx.Err())
			}
			cancel()
			now, err := q.status(s.ID, 0)
			if err != nil || now.Verified <= verified {
				t.Fatalf("run %d: got %+v, %v, want more than %d verified", runs, now, err, verified)
			}
			verified, s = now.Verified, now
		}
		if s.State != direct.Done || runs != 3 {
			t.Errorf("got %+v after %d runs, want it done after 3", s, runs)
		}
		memory := 0
		for _, n := range store.buffers {
			memory += n
		}
		if memory > runs*64*mib { // each run has its own
			t.Errorf("verified in %d MiB of memory, want at most 64 a run", memory/mib)
		}
		if again := store.bytes - size; again < 0 || again > int64(runs-1)*8*span {
			t.Errorf("read %d bytes more than once", again)
		}
		took, writes := calls.Take(), counting.Reset().Transacts
		if took[blobstest.ReadAt] < 5961 || took[blobstest.ReadAt] > 5961+2*8*2 || took[blobstest.Sum] != 1 || took[blobstest.Join] != 1 || took[blobstest.Keep] != 1 {
			t.Errorf("verification costs %v", took)
		}
		if most := int(2000/30) + 4*runs; writes > most {
			t.Errorf("verification costs %d writes, want at most %d", writes, most)
		}
		if b, err := q.reg.Blob(t.Context(), q.repo, want); err != nil || b.Size != size {
			t.Errorf("got %+v, %v", b, err)
		}
		q.leaves(1)
	})
}

// elsewhere is a quay that verifies nothing in the request, and what it has
// started.
func elsewhere(t testing.TB, c *clock) (quay, *[]string) {
	var started []string
	return newTinyQuay(t, registry.Options{Now: c.now, VerifyInline: 1, Verify: func(_ context.Context, _, id string) error {
		started = append(started, id)
		return nil
	}}), &started
}

// TestDirectVerifiedElsewhere: to complete is to start that, and to start it again
// if nothing comes of it.
func TestDirectVerifiedElsewhere(t *testing.T) {
	q, started := elsewhere(t, newClock())
	s := q.upload(wanted(crate))
	if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); err != nil {
		t.Errorf("verify what is not complete: %v", err)
	}
	if err := q.sendParts(s, crate, 20); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if s, err := q.complete(s.ID, s.Digest, len(crate)); err != nil || s.State != direct.Verifying || len(*started) != n+1 {
			t.Errorf("got %+v, %v, %d started", s, err, len(*started))
		}
	}
	if b := q.begin(wanted(crate)); b.State != direct.Upload || b.Upload.State != direct.Verifying {
		t.Errorf("begin again: got %+v, want to be told that it is verified", b)
	}
	for range 2 {
		if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); err != nil {
			t.Error(err)
		}
		if s, err := q.status(s.ID, 0); err != nil || s.State != direct.Done {
			t.Errorf("got %+v, %v, want it done", s, err)
		}
	}
	if len(*started) != 2 {
		t.Errorf("%d started, want 2", len(*started))
	}
	q.serves(s.Digest, crate)
	q.leaves(1)
	for _, id := range []string{"", "x", s.ID[1:], oci.SHA256.Sum(nil).Encoded()[:32]} {
		if err := q.reg.VerifyDirect(t.Context(), q.repo, id); err != nil {
			t.Errorf("verify what is not there: %v", err)
		}
	}
}

// TestDirectFoundWrongElsewhere: it is told to who asks, by either way.
func TestDirectFoundWrongElsewhere(t *testing.T) {
	q, _ := elsewhere(t, newClock())
	s := q.upload(wanted(crate))
	wrong := slices.Concat(crate[:50], []byte("x"))
	if err := q.sendParts(s, wrong, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := q.complete(s.ID, s.Digest, len(crate)); err != nil {
		t.Fatal(err)
	}
	if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); err != nil {
		t.Errorf("that it is wrong is no failure of the verification: %v", err)
	}
	q.leaves(0)
	if now, err := q.status(s.ID, 0); err != nil || now.State != direct.Failed || now.Found != oci.SHA256.Sum(wrong) {
		t.Errorf("got %+v, %v, want it failed", now, err)
	}
	if _, err := q.complete(s.ID, s.Digest, len(crate)); !errors.Is(err, oci.ErrDigestInvalid) {
		t.Errorf("complete: %v, want DIGEST_INVALID", err)
	}
	if s := q.upload(wanted(crate)); s.State != direct.Open || s.Received != nil {
		t.Errorf("begin: got %+v, want a new upload", s)
	}
}

// A gate is a store that holds up what is read of it, or summed, until it is told
// to go on.
type gate struct {
	*blobstest.Memory
	reached, pass chan struct{}
}

func newGate() gate {
	return gate{blobstest.NewMemory(blobstest.MemoryOptions{MinPart: 8, MaxSum: -1}), make(chan struct{}), make(chan struct{})}
}

func (g gate) ReadAt(ctx context.Context, key string, p []byte, offset int64) error {
	g.reached <- struct{}{}
	<-g.pass
	return g.Memory.ReadAt(ctx, key, p, offset)
}

// held begins a verification that is held up at the gate. Wait returns when it has
// ended.
func held(t *testing.T) (q quay, g gate, id string, wait func() error) {
	g = newGate()
	q = quay{newTeamOn(t, newMemTable(), g, registry.Options{
		VerifyInline: 1, Verify: func(context.Context, string, string) error { return nil },
	}), g.Memory}
	q.reg = q.reg.Tiny()
	s := q.upload(wanted(crate))
	if err := q.sendParts(s, crate, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := q.complete(s.ID, s.Digest, len(crate)); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- q.reg.VerifyDirect(t.Context(), q.repo, s.ID) }()
	<-g.reached
	return q, g, s.ID, func() error { return <-end }
}

// TestDirectVerifiedTwice: a second verification leaves it to the first, and takes
// over when that has said nothing for too long. The first, if it was only slow,
// then changes nothing.
func TestDirectVerifiedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, g, id, wait := held(t)
		if err := q.reg.VerifyDirect(t.Context(), q.repo, id); err != nil {
			t.Error(err)
		}
		if s, err := q.status(id, 0); err != nil || s.State != direct.Verifying {
			t.Errorf("got %+v, %v, want it verifying still", s, err)
		}
		time.Sleep(10 * time.Minute)
		second := make(chan error, 1)
		go func() { second <- q.reg.VerifyDirect(t.Context(), q.repo, id) }()
		<-g.reached
		g.pass <- struct{}{} // for one of them
		synctest.Wait()
		g.pass <- struct{}{}
		for _, err := range []error{wait(), <-second} {
			if err != nil {
				t.Error(err)
			}
		}
		if s, err := q.status(id, 0); err != nil || s.State != direct.Done {
			t.Errorf("got %+v, %v, want it done", s, err)
		}
		q.leaves(1)
		q.serves(oci.SHA256.Sum(crate), crate)
	})
}

// TestDirectAbortedWhileVerified: what is aborted is never published.
func TestDirectAbortedWhileVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, g, id, wait := held(t)
		if err := q.reg.AbortDirect(t.Context(), q.repo, id); err != nil {
			t.Fatal(err)
		}
		q.leaves(0)
		g.pass <- struct{}{}
		if err := wait(); err != nil {
			t.Error(err)
		}
		if _, err := q.reg.Blob(t.Context(), q.repo, oci.SHA256.Sum(crate)); !errors.Is(err, oci.ErrBlobUnknown) {
			t.Errorf("got %v, want BLOB_UNKNOWN", err)
		}
		q.leaves(0)
	})
}

// TestDirectOutOfTime: a request that ends before the bytes are read says that it
// has not, keeps how far it is, and has somebody else go on.
func TestDirectOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newVast(4 * time.Second)
		started := 0
		q := quay{newTeamOn(t, newMemTable(), store, registry.Options{
			Verify: func(context.Context, string, string) error { started++; return nil },
		}), store.Memory}
		q.reg = q.reg.Hashing(func(oci.Algorithm) hash.Hash { return &odometer{} })
		const size = 200e6 // below what is verified inline
		s := q.upload(direct.Wanted{Size: size})
		q.sendHollow(s)
		d := oci.Digest("sha256:" + fmt.Sprintf("%016x", int64(size)))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s, err := q.reg.CompleteDirect(ctx, q.repo, s.ID, direct.Complete{Digest: d, Size: size})
		if err != nil || s.State != direct.Verifying || s.Verified == 0 || started != 1 || ctx.Err() != nil {
			t.Fatalf("got %+v, %v, %d started", s, err, started)
		}
		before := store.bytes
		if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); err != nil {
			t.Fatal(err)
		}
		if got, want := store.bytes-before, size-s.Verified; got != want {
			t.Errorf("the second run read %d bytes, want the %d that were left", got, want)
		}
		if s, err := q.status(s.ID, 0); err != nil || s.State != direct.Done {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

// TestDirectCheckpoint: what was hashed in two runs is hashed right, by both
// algorithms, several ranges at once.
func TestDirectCheckpoint(t *testing.T) {
	body := payload(36*mib + 3)
	for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		memory := blobstest.NewMemory(blobstest.MemoryOptions{MaxSum: -1})
		broken := int64(24 * mib)
		var reads atomic.Int64
		store := blobstest.Faulty(memory, func(c blobstest.Call) blobstest.Fault {
			if c.Kind != blobstest.ReadAt {
				return blobstest.Proceed()
			}
			if c.Offset == broken {
				return blobstest.FailBefore(tabletest.ErrFault)
			}
			reads.Add(1)
			return blobstest.Proceed()
		})
		q := quay{newTeamOn(t, newMemTable(), store, registry.Options{}), memory}
		s := q.upload(direct.Wanted{Digest: a.Sum(body), Size: int64(len(body))})
		if err := q.sendParts(s, body, s.PartSize); err != nil {
			t.Fatal(err)
		}
		if _, err := q.complete(s.ID, s.Digest, len(body)); !errors.Is(err, tabletest.ErrFault) {
			t.Fatalf("got %v, want the fault", err)
		}
		now, err := q.status(s.ID, 0)
		if err != nil || now.State != direct.Verifying || now.Verified != broken {
			t.Fatalf("got %+v, %v, want %d bytes verified", now, err, broken)
		}
		broken = -1
		reads.Store(0)
		if s, err := q.complete(s.ID, s.Digest, len(body)); err != nil || s.State != direct.Done {
			t.Errorf("got %+v, %v", s, err)
		}
		if got := reads.Load(); got != 2 { // 8 MiB each
			t.Errorf("%d more reads, want 2", got)
		}
		q.serves(s.Digest, body)
		q.leaves(1)
	}
}

// TestDirectLostWhileVerified: bytes that go away end the upload, and do not go
// round in circles.
func TestDirectLostWhileVerified(t *testing.T) {
	q, _ := elsewhere(t, newClock())
	s := q.upload(wanted(crate))
	if err := q.sendParts(s, crate, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := q.complete(s.ID, s.Digest, len(crate)); err != nil {
		t.Fatal(err)
	}
	if err := q.store.Abort(t.Context(), blobs.Upload{Key: q.store.Uploads()[0]}); err != nil {
		t.Fatal(err)
	}
	if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); err != nil {
		t.Error(err)
	}
	if now, err := q.status(s.ID, 0); err != nil || now.State != direct.Failed || now.Found != "" {
		t.Errorf("got %+v, %v, want it failed", now, err)
	}
	if _, err := q.complete(s.ID, s.Digest, len(crate)); !errors.Is(err, oci.ErrUploadInvalid) {
		t.Errorf("got %v, want BLOB_UPLOAD_INVALID", err)
	}
}

// TestDirectItemsAreSmall: however large a blob is, what the table has of it is not.
func TestDirectItemsAreSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := newMemTable()
		store := newVast(5 * time.Second)
		q := quay{newTeamOn(t, tab, store, registry.Options{
			Verify: func(context.Context, string, string) error { return nil },
		}), store.Memory}
		s := q.upload(direct.Wanted{Size: direct.MaxSize})
		q.sendHollow(s)
		if _, err := q.complete(s.ID, oci.SHA512.Sum(nil), direct.MaxSize); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if err := q.reg.VerifyDirect(ctx, q.repo, s.ID); err != nil {
			t.Fatal(err)
		}
		item, err := tab.Get(t.Context(), in(home, "direct#"+s.ID))
		if err != nil || item.Num("verified") == 0 || item.Size() > 2000 {
			t.Errorf("got %d bytes verified, an item of %d, %v", item.Num("verified"), item.Size(), err)
		}
	})
}
