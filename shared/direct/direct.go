// Package direct is the vocabulary of direct transfer, an extension of the
// distribution API by which the bytes of large blobs go straight between client
// and blob store: docs/direct-transfer.md. Server and clients share it; it knows
// neither HTTP nor a store.
package direct

import (
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// Extension is the name of the extension, as GET /v2/<name>/_oci/ext/discover
// lists it, and Uploads its endpoint, below /v2/<name>/. The version is part of
// the path: what is not understood is not there.
const (
	Extension = "_berth"
	Uploads   = "_berth/v1/uploads"
)

// Bounds of the protocol.
const (
	// MaxBlobs is how many blobs, and how many manifests, one Begin names.
	MaxBlobs = 100
	// MaxParts is how many parts one Sign names.
	MaxParts = 100
	// PageParts is how many parts one Status lists.
	PageParts = 1000
	// MaxNumber is the highest number of a part; the first is 1.
	MaxNumber = 10_000
	// MinPart and MaxPart are the sizes of a part in bytes; only the last part may
	// be smaller.
	MinPart, MaxPart = 5 << 20, 5 << 30
	// MaxSize is the size of the largest blob in bytes: 5 TiB.
	MaxSize = 5 << 40
	// MaxSources is how many repositories one Begin names to mount from: there is a
	// scope for each in a challenge, and in the token that answers it.
	MaxSources = 8
	// MaxRequest is the size of the largest request in bytes, and MaxBody that of
	// the largest answer.
	MaxRequest, MaxBody = 256 << 10, 1 << 20
)

// A Begin asks which of these blobs a repository needs, and how to bring them.
// To begin what was begun before, by the same principal, is to go on with it.
type Begin struct {
	Blobs []Wanted `json:"blobs,omitempty"`
	// Manifests are asked for, no more: they are brought with a PUT.
	Manifests []oci.Digest `json:"manifests,omitempty"`
}

// A Wanted is a blob that a client would like to be in the repository.
type Wanted struct {
	// Digest is empty for a stream whose digest is known at its end; then Size is
	// -1 if that is not known either, as it is where none is given.
	Digest oci.Digest `json:"digest,omitempty"`
	Size   int64      `json:"size"`
	// From is another repository of this registry that has it, if the client knows
	// of one. Without it the registry looks for one by itself.
	From string `json:"from,omitempty"`
}

// A Begun answers a Begin, in its order.
type Begun struct {
	Blobs     []Blob     `json:"blobs"`
	Manifests []Manifest `json:"manifests"`
}

// A State says what is to be done about a blob, or what becomes of an upload.
type State string

// The states of a blob in a Begun.
const (
	Present State = "present" // it is there
	Mounted State = "mounted" // it is now: another repository had it
	Small   State = "small"   // send it in one POST, as the distribution spec has it
	Upload  State = "upload"  // send it in parts
)

// The states of an upload.
const (
	Open      State = "open"      // it takes parts
	Verifying State = "verifying" // all is there, and is being read to see that it is right
	Done      State = "done"      // the blob is in the repository
	Failed    State = "failed"    // its bytes were not those of the digest, and are gone
)

// A Blob is what is to be done about one.
type Blob struct {
	Digest oci.Digest `json:"digest,omitempty"`
	Size   int64      `json:"size"`
	State  State      `json:"state"`
	Upload *Status    `json:"upload,omitempty"` // with state upload
}

// A Manifest says whether one is there.
type Manifest struct {
	Digest  oci.Digest `json:"digest"`
	Present bool       `json:"present"`
}

// A Status is how far an upload is.
type Status struct {
	ID     string     `json:"id"`
	State  State      `json:"state"`
	Digest oci.Digest `json:"digest,omitempty"`
	Size   int64      `json:"size"`
	// PartSize is how large parts are best, in bytes. With Parts of 1 there is one
	// part, and it is the blob.
	PartSize int64 `json:"partSize"`
	Parts    int   `json:"parts,omitempty"`
	// Put is where the only part goes, if the upload has but one and the digest
	// is known.
	Put *Target `json:"put,omitempty"`
	// Received are the parts that are there, in order; Next is where the next page
	// begins, 0 if there is none.
	Received []Part `json:"received,omitempty"`
	Next     int    `json:"next,omitempty"`
	// Verified is how many bytes have been read again.
	Verified int64 `json:"verified,omitempty"`
	// Found is the digest of what was sent, if that is why the upload failed and it is known.
	Found oci.Digest `json:"found,omitempty"`
}

// A Part is a part of an upload.
type Part struct {
	Number int   `json:"number"`
	Size   int64 `json:"size"`
	// SHA256 is the checksum of its bytes, in hex.
	SHA256 string `json:"sha256"`
}

// A Sign asks for where to send parts.
type Sign struct {
	Parts []Part `json:"parts"`
}

// A Signed answers a Sign, in its order.
type Signed struct {
	Parts []Target `json:"parts"`
}

// A Target takes one part: a PUT of its bytes to URL with Header, and no other
// credentials. Whoever has the URL can send these bytes, and only these, until
// it Expires; so it is kept out of logs.
type Target struct {
	Number  int               `json:"number,omitempty"`
	URL     string            `json:"url"`
	Header  map[string]string `json:"header"`
	Expires time.Time         `json:"expires"`
}

// A Complete says that all parts are there.
type Complete struct {
	Digest oci.Digest `json:"digest"`
	Size   int64      `json:"size"`
}

// A Discovery is the answer to GET /v2/<name>/_oci/ext/discover (distribution
// spec, extensions/_oci.md).
type Discovery struct {
	Extensions []Extended `json:"extensions"`
}

// An Extended is an extension that a repository has.
type Extended struct {
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	Description string   `json:"description"`
	Endpoints   []string `json:"endpoints"`
}
