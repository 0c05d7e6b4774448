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

// A tally tells a Watcher of the bytes of one attempt, and takes them back if it
// comes to nothing. A nil one tells nobody.
type tally struct {
	d oci.Descriptor
	w Watcher

	mu sync.Mutex
	n  int64
}

func (t *tally) add(n int) {
	if t == nil || n == 0 {
		return
	}
	t.mu.Lock()
	t.n += int64(n)
	t.mu.Unlock()
	t.w.Moved(t.d, int64(n))
}

func (t *tally) undo() {
	if t == nil {
		return
	}
	t.mu.Lock()
	n := t.n
	t.n = 0
	t.mu.Unlock()
	if n != 0 {
		t.w.Moved(t.d, -n)
	}
}

// adopt takes over what another has told.
func (t *tally) adopt(other *tally) {
	t.mu.Lock()
	t.n += other.n
	t.mu.Unlock()
}
