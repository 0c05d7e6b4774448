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

// Tiny has direct uploads be about a few bytes, in parts of 8 to 20, and calls none
// of them small. They are verified in one read.
func (r *Registry) Tiny() *Registry {
	r.measures = measures{small: -1, part: 20, least: 8, span: 1 << 20, unit: 1}
	return r
}

// Store is the blob store, to which clients send.
func (r *Registry) Store() blobs.Store { return r.blobs }

// Hashing has what is verified be hashed in another way.
func (r *Registry) Hashing(hash func(oci.Algorithm) hash.Hash) *Registry {
	r.hash = hash
	return r
}

// PartSize is how large the parts of a blob are best.
var PartSize = usualMeasures.partSize
