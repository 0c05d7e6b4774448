package transfer

import (
	"net/http"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/direct"
)

// A registry that was asked when it had too much to do is not taken for one of
// another make for as long as the process lives.
func TestARegistryThatWasBusyIsAskedAgain(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	e.pace.busy = 20 * time.Millisecond
	f.sick("POST begin", curious, answering(http.StatusServiceUnavailable, ""))
	if _, err := r.begin(r.pushing(t.Context()), direct.Begin{Blobs: []direct.Wanted{{Size: -1}}}); err != errNoDirect {
		t.Fatalf("got %v, want that it goes on without", err)
	}
	if _, known := e.knows(r.base); !known {
		t.Error("it is bothered again at once")
	}
	time.Sleep(40 * time.Millisecond)
	f.pushes(r, randomBytes(1, 2500), Direct)
	balanced(t, e)
}
