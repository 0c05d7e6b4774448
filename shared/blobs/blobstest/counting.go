package blobstest

import (
	"maps"
	"sync"

	"github.com/berthregistry/berth/shared/blobs"
)

// Calls counts the calls of a store by kind.
type Calls struct {
	mu sync.Mutex
	n  map[Kind]int
}

// Counting returns a store that passes every call on to store, and the count
// of them. The result is a Locator, or a Direct, if store is one.
func Counting(store blobs.Store) (blobs.Store, *Calls) {
	calls := &Calls{n: map[Kind]int{}}
	return Faulty(store, calls.add), calls
}

func (c *Calls) add(call Call) Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[call.Kind]++
	return Proceed()
}

// Take returns the calls since the last Take, without kinds that did not
// occur, so that a test compares it with a map of what it allows.
func (c *Calls) Take() map[Kind]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := maps.Clone(c.n)
	clear(c.n)
	return taken
}
