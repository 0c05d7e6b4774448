package blobs

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// ErrNoSum is returned by a store that cannot tell the SHA-256 of an object
// without handing its bytes out.
var ErrNoSum = errors.New("the store does not know this checksum")

// A Direct is a store to which clients send bytes themselves, part by part.
//
// What they send is marked as unverified until Keep. The store removes what is
// still marked after UploadLife and a day, by a broom that its operator runs.
type Direct interface {
	Locator

	// BeginParts begins an upload in parts of the object under key and returns
	// what the store calls it.
	BeginParts(ctx context.Context, key string) (id string, err error)

	// PartURL returns a URL under which one PUT of exactly these bytes, by size and
	// raw SHA-256, makes a part of the upload, and the headers that the PUT must
	// carry. Numbers run from 1 to 10,000. A part that is sent again replaces
	// the one before. It makes no call.
	PartURL(ctx context.Context, key, id string, p Part, valid time.Duration) (string, http.Header, error)

	// MarkedURL is WriteURL of an object that is marked as unverified.
	MarkedURL(ctx context.Context, key string, size int64, sha256 []byte, valid time.Duration) (string, http.Header, error)

	// Parts returns up to 1,000 parts that are there, from after that number on, in
	// order, and whether there are more. Errors wrap ErrUploadLost if there
	// is no such upload any more.
	Parts(ctx context.Context, key, id string, after int) (parts []Part, more bool, err error)

	// Join makes the object of these parts, which are all there are. Done again it
	// succeeds again. Errors wrap ErrUploadLost if the parts are gone or others.
	Join(ctx context.Context, key, id string, parts []Part) error

	// Stat returns the size of an object, and its SHA-256 where the store has checked
	// it as the bytes came in, else nil. Errors: ErrAbsent.
	Stat(ctx context.Context, key string) (size int64, sha256 []byte, err error)

	// Sum has the store compute the SHA-256 of an object, without its bytes leaving
	// it. Errors: ErrNoSum, ErrAbsent.
	Sum(ctx context.Context, key string, size int64) (sha256 []byte, err error)

	// Keep takes the mark of an object away. Done again it succeeds again. Errors:
	// ErrAbsent.
	Keep(ctx context.Context, key string) error
}

// A Part is a part of an upload that clients send themselves.
type Part struct {
	Number int
	Size   int64
	SHA256 []byte // raw
	// Tag is what the store calls these bytes; Parts says it and Join needs it.
	Tag string
}
