package registry

import (
	"hash"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
)

// Glancing has a registry look at the tags wherever a search goes on to more than
// one manifest, so that small worlds have such searches too.
func (r *Registry) Glancing() *Registry {
	r.wide = 1
	return r
}

// Tiny returns a registry whose direct uploads are about a few bytes, in parts of 8
// to 20: it calls none of them small, and verifies them in one read.
func (r *Registry) Tiny() *Registry {
	tiny := *r
	tiny.measures = measures{small: -1, part: 20, least: 8, span: 1 << 20, unit: 1}
	return &tiny
}

// Store is the blob store, to which clients send.
func (r *Registry) Store() blobs.Store { return r.blobs }

// Hashing returns a registry that verifies by another hash.
func (r *Registry) Hashing(hash func(oci.Algorithm) hash.Hash) *Registry {
	other := *r
	other.hash = hash
	return &other
}

// PartSize is how large the parts of a blob are best.
var PartSize = usualMeasures.partSize
