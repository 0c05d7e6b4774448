package announce

import (
	"encoding/json"

	"github.com/berthregistry/berth/shared/oci"
)

// Data is what an event says beyond its envelope. Each type has some of it; the
// files of events/schema say which.
type Data struct {
	Repository string `json:"repository"`

	// Subject is what a referrer refers to. Of the manifest that is one only the
	// digest is told.
	Subject *Subject `json:"subject,omitempty"`
	// Referrer is the descriptor of a referrer as it is listed, Manifest that of
	// a manifest: media type, digest, size and artifact type.
	Referrer json.RawMessage `json:"referrer,omitempty"`
	Manifest json.RawMessage `json:"manifest,omitempty"`
	// AnnotationsLeftOut says that the referrer has some that are too large: see
	// MaxDescriptor.
	AnnotationsLeftOut bool `json:"annotationsLeftOut,omitempty"`

	Tag string `json:"tag,omitempty"`
	// Digest is what a tag names; of a deleted one, what it named.
	Digest oci.Digest `json:"digest,omitempty"`
	// Previous is where a tag was that moved.
	Previous oci.Digest `json:"previous,omitempty"`

	// By is who did it, as the audit log names them. It is not there where that
	// is not known, as of deletions.
	By string `json:"by,omitempty"`
}

// A Subject is how a manifest stands when the event is told: not when it
// happened, which may be a moment or a day before.
type Subject struct {
	Digest oci.Digest `json:"digest"`
	*Standing
}

// A Standing is how a subject stands; see registry.Standing.
type Standing struct {
	Tags          []string  `json:"tags"`
	TagsTruncated bool      `json:"tagsTruncated,omitempty"`
	Referrers     Referrers `json:"referrers"`
}

// Referrers counts what refers to a subject.
type Referrers struct {
	Total int64 `json:"total"`
	// ByType is empty where it would be too long, and else has less than all
	// where types are not known: see registry.Standing.
	ByType map[string]int64 `json:"byType"`
}
