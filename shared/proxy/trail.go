package proxy

import (
	"encoding/json"
	"sync"

	"github.com/berthregistry/berth/shared/oci"
)

// A trail remembers by which tags clients came to digests, so that a registry
// that lets this login pull some tags only need not search for one. What it says
// is true of some moment, and the registry looks for itself.
type trail struct {
	mu         sync.Mutex
	young, old map[spot]lead // what is asked for stays among the young
}

// A spot is a manifest or blob in a repository.
type spot struct {
	repo   string
	digest oci.Digest
}

// A lead is how a client got there.
type lead struct {
	tag    string
	tagged bool // the tag itself pointed there; else a manifest below it
}

// maxTrail is how many spots are kept twice: 5 MB, were all names of the longest.
const maxTrail = 4096

// to returns how a client got to a digest.
func (t *trail) to(repo string, d oci.Digest) (lead, bool) {
	if d == "" {
		return lead{}, false
	}
	at := spot{repo, d}
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.young[at]
	if !ok {
		if l, ok = t.old[at]; ok {
			t.put(at, l)
		}
	}
	return l, ok
}

// add remembers how a client got to digests.
func (t *trail) add(repo string, by lead, digests ...oci.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range digests {
		t.put(spot{repo, d}, by)
	}
}

func (t *trail) put(at spot, by lead) {
	if len(t.young) >= maxTrail || t.young == nil {
		t.young, t.old = make(map[spot]lead), t.young
	}
	t.young[at] = by
}

// children returns what a manifest lists, nothing if it is none. What is no
// digest is left out.
func children(manifest []byte) []oci.Digest {
	type entry struct {
		Digest string `json:"digest"`
	}
	var m struct {
		Config    entry   `json:"config"`
		Layers    []entry `json:"layers"`
		Manifests []entry `json:"manifests"`
	}
	if json.Unmarshal(manifest, &m) != nil {
		return nil
	}
	var out []oci.Digest
	for _, e := range append(append(m.Layers, m.Manifests...), m.Config) {
		if d, err := oci.ParseDigest(e.Digest); err == nil && len(out) < maxChildren {
			out = append(out, d)
		}
	}
	return out
}

// maxChildren is how many children of one manifest are remembered.
const maxChildren = 512
