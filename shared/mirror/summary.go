package mirror

import (
	"sync"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A Summary is what a copy came to.
type Summary struct {
	Plan      Plan // what had to be done
	Images    []Copied
	Blobs     map[transfer.Way]int // how many got there in which way
	Bytes     int64                // of the blobs that were moved
	Manifests int                  // that were put
}

// A Copied is an image that was asked for.
type Copied struct {
	oci.Descriptor
	Tags  []string
	There bool // before as well, so that its blobs were not looked at
	Left  int  // entries of its index that were not copied
}

func (r *run) summary() Summary {
	s := Summary{Plan: r.planned, Blobs: r.tally.ways, Bytes: r.tally.bytes, Manifests: r.put}
	for _, n := range r.order {
		if n.root {
			s.Images = append(s.Images, Copied{n.Descriptor, n.tags, n.there, n.left})
		}
	}
	return s
}

// A tally counts what the watcher is told.
type tally struct {
	Watcher

	mu    sync.Mutex
	ways  map[transfer.Way]int
	bytes int64
}

// Settled implements transfer.Watcher.
func (t *tally) Settled(d oci.Descriptor, how transfer.Way) {
	t.count(d, how)
	t.Watcher.Settled(d, how)
}

// count counts and tells nobody.
func (t *tally) count(d oci.Descriptor, how transfer.Way) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ways == nil {
		t.ways = map[transfer.Way]int{}
	}
	t.ways[how]++
	if how == transfer.Direct || how == transfer.Plain {
		t.bytes += d.Size
	}
}
