package transfer

import (
	"sync"

	"github.com/berthregistry/berth/shared/oci"
)

// silent is a Watcher for those who have none.
type silent struct{}

func (silent) Moved(oci.Descriptor, int64) {}
func (silent) Settled(oci.Descriptor, Way) {}

func orSilent(w Watcher) Watcher {
	if w == nil {
		return silent{}
	}
	return w
}

// A tally tells a Watcher of the bytes of one request, and takes them back if it
// comes to nothing. A nil one tells nobody.
type tally struct {
	d oci.Descriptor
	w Watcher

	mu   sync.Mutex
	n    int64
	body *sent // whose bytes count: net/http may go on to read one that it has given up
}

// begin counts a body from its beginning.
func (t *tally) begin(body *sent) {
	if t != nil {
		t.to(0, body)
	}
}

// add counts bytes of a body.
func (t *tally) add(body *sent, n int) {
	if t == nil || n == 0 {
		return
	}
	t.mu.Lock()
	ours := body == t.body
	if ours {
		t.n += int64(n)
	}
	t.mu.Unlock()
	if ours {
		t.w.Moved(t.d, int64(n))
	}
}

// settle says how many bytes it has come to: all, or none.
func (t *tally) settle(n int64) {
	if t != nil {
		t.to(n, nil)
	}
}

func (t *tally) to(n int64, body *sent) {
	t.mu.Lock()
	more := n - t.n
	t.n, t.body = n, body
	t.mu.Unlock()
	if more != 0 {
		t.w.Moved(t.d, more)
	}
}

// grow counts bytes that no body was needed for, or that have been told of.
func (t *tally) grow(n int64, told bool) {
	t.mu.Lock()
	t.n += n
	t.mu.Unlock()
	if !told {
		t.w.Moved(t.d, n)
	}
}
