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
// Abort of an Upload that says no more than the key gives up parts as well.
//
// A write that is answered late, or never, must not undo a Keep: what is kept is
// what somebody pulls for years. So nothing but the client's own first PUT, or
// Join, ever makes the object under the key, and both only where there is none.
type Direct interface {
	Locator

	// BeginParts begins an upload in parts of the object under key and returns
	// what the store calls it.
	BeginParts(ctx context.Context, key string) (id string, err error)

	// PartURL returns a URL under which one PUT of exactly these bytes, by size and
	// raw SHA-256, makes a part of the upload, and the headers that the PUT must
	// carry. Numbers run from 1 to 10,000, sizes to 5 GiB; what is beyond is refused
	// here or by the PUT. A part that is sent again replaces the one before. It
	// makes no call.
	PartURL(ctx context.Context, key, id string, p Part, valid time.Duration) (string, http.Header, error)

	// MarkedURL is WriteURL of an object that is marked as unverified. A PUT does
	// not replace what is there: one that is sent again since its answer was lost is
	// refused, with 412, and the object is there.
	MarkedURL(ctx context.Context, key string, size int64, sha256 []byte, valid time.Duration) (string, http.Header, error)

	// Parts returns up to 1,000 parts that are there, from after that number on, in
	// order, and whether there are more. Errors wrap ErrUploadLost if there
	// is no such upload any more.
	Parts(ctx context.Context, key, id string, after int) (parts []Part, more bool, err error)

	// Join makes the object of these parts, which are all there are: in order, and
	// each but the last of at least 5 MiB. Done again it succeeds again. Errors wrap
	// ErrUploadLost if the parts are gone or others.
	Join(ctx context.Context, key, id string, parts []Part) error

	// Stat returns the size of an object, and its SHA-256 where the store has checked
	// it as the bytes came in, else nil. Errors: ErrAbsent, also for what a client
	// has put in a way that readers would not get its bytes.
	Stat(ctx context.Context, key string) (size int64, sha256 []byte, err error)

	// Sum has the store compute the SHA-256 of an object, without its bytes leaving
	// it. The object stays as it is: a copy onto itself that ends after Keep, or
	// after Delete, would bring the mark back, or the object. What Sum makes on the
	// way has a key of its own; if a crash leaves it, it goes as what is marked
	// does. Errors: ErrNoSum, ErrAbsent.
	Sum(ctx context.Context, key string, size int64) (sha256 []byte, err error)

	// ReadAt fills p with the bytes of an object from offset on, of which there are
	// as many. It asks for these and no more: several are under way at once.
	// Errors: ErrAbsent.
	ReadAt(ctx context.Context, key string, p []byte, offset int64) error

	// Keep takes the mark of an object away. Done again it succeeds again. The
	// caller does so within UploadLife of BeginParts, or of the PUT: from a day later
	// on the store may have the object on its list of what to remove, mark or no
	// mark. Errors: ErrAbsent.
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
