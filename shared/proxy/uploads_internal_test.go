package proxy

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A room is as much memory as one stream needs.
type room struct {
	free    chan struct{}
	holds   bool
	aborted time.Time
}

func (r *room) begin(context.Context, int64) stream { return r }

func (r *room) Write(p []byte) (int, error) {
	if !r.holds {
		<-r.free
		r.holds = true
	}
	return len(p), nil
}

func (r *room) Finish(context.Context, oci.Digest) (transfer.Way, error) { return transfer.Direct, nil }

func (r *room) Abort(context.Context) error {
	r.aborted = time.Now()
	if r.holds {
		r.free <- struct{}{}
	}
	return nil
}

// send is a request that sends something.
func send(t *testing.T, us *uploads, u *upload) {
	t.Helper()
	if err := u.take(t.Context()); err != nil {
		t.Error(err)
		return
	}
	defer us.leave(u)
	defer u.give()
	u.open(-1)
	if _, err := (&pushed{upload: u, uploads: us}).Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

func newUpload(t *testing.T, us *uploads, r *room) *upload {
	t.Helper()
	u, err := us.add("team/app", r.begin)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// What a client leaves is given up in time, and no earlier.
func TestIdleUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		us := newUploads(time.Minute, 9, slog.New(slog.DiscardHandler))
		r := &room{free: make(chan struct{}, 1), holds: true}
		u := newUpload(t, us, r)
		send(t, us, u)
		for range 3 {
			time.Sleep(59 * time.Second)
			if _, err := us.enter("team/app", u.id); err != nil {
				t.Fatalf("an upload that is in use: %v", err)
			}
			us.leave(u)
		}
		if _, err := us.enter("team/app", u.id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // of one request
		us.leave(u)
		left := time.Now()
		time.Sleep(61 * time.Second)
		if _, err := us.enter("team/app", u.id); !errors.Is(err, oci.ErrUploadUnknown) {
			t.Errorf("an idle upload: got %v", err)
		}
		synctest.Wait()
		if got := r.aborted.Sub(left); got != time.Minute {
			t.Errorf("given up after %v", got)
		}
	})
}

// Whoever sends is not kept waiting for those who do not, and whose memory they
// have.
func TestRoomIsMadeForThoseWhoSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		us := newUploads(time.Hour, 9, slog.New(slog.DiscardHandler))
		free := make(chan struct{}, 2)
		free <- struct{}{}
		free <- struct{}{}
		left, busy, late := &room{free: free}, &room{free: free}, &room{free: free}
		send(t, us, newUpload(t, us, left))
		inUse := newUpload(t, us, busy)
		send(t, us, inUse)
		if _, err := us.enter("team/app", inUse.id); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		send(t, us, newUpload(t, us, late))
		if waited := time.Since(start); waited != want {
			t.Errorf("waited %v, want %v", waited, want)
		}
		synctest.Wait()
		if left.aborted.IsZero() || !busy.aborted.IsZero() {
			t.Errorf("given up: what was left %v, what is in use %v", !left.aborted.IsZero(), !busy.aborted.IsZero())
		}
		time.Sleep(2 * want) // for those who look after want
	})
}
