package registry_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// TestDirectReadAfterSum: what the store has summed, and nobody could publish, is
// read from its beginning where the store does not sum it again.
func TestDirectReadAfterSum(t *testing.T) {
	memory := blobstest.NewMemory(blobstest.MemoryOptions{MinPart: 8})
	sums, keeps := 0, 0
	store := blobstest.Faulty(memory, func(c blobstest.Call) blobstest.Fault {
		switch c.Kind {
		case blobstest.Keep:
			if keeps++; keeps == 1 {
				return blobstest.FailBefore(tabletest.ErrFault)
			}
		case blobstest.Sum:
			if sums++; sums == 2 {
				return blobstest.FailBefore(blobs.ErrNoSum)
			}
		}
		return blobstest.Proceed()
	})
	q := quay{newTeamOn(t, newMemTable(), store, registry.Options{}), memory}
	q.reg = q.reg.Tiny()
	s := q.upload(wanted(crate))
	if err := q.sendParts(s, crate, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := q.complete(s.ID, s.Digest, len(crate)); !errors.Is(err, tabletest.ErrFault) {
		t.Fatalf("got %v, want the fault", err)
	}
	if s, err := q.complete(s.ID, s.Digest, len(crate)); err != nil || s.State != direct.Done || sums != 2 {
		t.Fatalf("got %+v, %v, after %d sums", s, err, sums)
	}
	q.serves(s.Digest, crate)
}

// TestDirectStoreTimesOut: that the store does not answer is a failure, however
// much it looks like the end of the time that there was. Whoever runs the
// verification then runs it again.
func TestDirectStoreTimesOut(t *testing.T) {
	timeout := &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	for _, kind := range []blobstest.Kind{blobstest.Stat, blobstest.Parts, blobstest.Sum, blobstest.Keep} {
		memory := blobstest.NewMemory(blobstest.MemoryOptions{MinPart: 8})
		broken := false
		store := blobstest.Faulty(memory, func(c blobstest.Call) blobstest.Fault {
			if c.Kind == kind && broken {
				return blobstest.FailBefore(timeout)
			}
			return blobstest.Proceed()
		})
		q := quay{newTeamOn(t, newMemTable(), store, registry.Options{
			VerifyInline: 1, Verify: func(context.Context, string, string) error { return nil },
		}), memory}
		q.reg = q.reg.Tiny()
		s := q.upload(wanted(crate))
		if err := q.sendParts(s, crate, 20); err != nil {
			t.Fatal(err)
		}
		if _, err := q.complete(s.ID, s.Digest, len(crate)); err != nil {
			t.Fatal(err)
		}
		broken = true
		if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); !errors.Is(err, timeout) {
			t.Errorf("%v: got error %v, want the time-out", kind, err)
		}
		broken = false
		if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); err != nil {
			t.Errorf("%v, again: %v", kind, err)
		}
		q.serves(s.Digest, crate)
	}
}

// A patient store joins parts when whoever asked has stopped waiting.
type patientStore struct{ *blobstest.Memory }

func (p patientStore) Join(ctx context.Context, key, id string, parts []blobs.Part) error {
	<-ctx.Done()
	if err := p.Memory.Join(context.WithoutCancel(ctx), key, id, parts); err != nil {
		return err
	}
	return ctx.Err()
}

// TestDirectJoinTakesLong: that the store needs longer for its parts than a
// request waits for it is no failure, and the next one finds the object.
func TestDirectJoinTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := patientStore{blobstest.NewMemory(blobstest.MemoryOptions{MinPart: 8})}
		q := quay{newTeamOn(t, newMemTable(), store, registry.Options{}), store.Memory}
		q.reg = q.reg.Tiny()
		s := q.upload(wanted(crate))
		if err := q.sendParts(s, crate, 20); err != nil {
			t.Fatal(err)
		}
		for _, want := range []direct.State{direct.Verifying, direct.Done} {
			if s, err := q.complete(s.ID, s.Digest, len(crate)); err != nil || s.State != want {
				t.Errorf("got %+v, %v, want it %s", s, err, want)
			}
		}
		q.serves(s.Digest, crate)
		q.leaves(1)
	})
}
