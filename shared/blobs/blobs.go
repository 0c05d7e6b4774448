// Package blobs is the port to immutable bytes: objects under keys, written
// once, in one go or piece by piece.
//
// A key is made for one object and never used again, so what is under a key
// never changes, and a late delete cannot hit a newer object. The store knows
// nothing of digests: whoever calls it has checked them, above all stores, in
// one place. The suite in blobstest is the contract in executable form.
package blobs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// ErrAbsent is returned for an object that is not there.
var ErrAbsent = errors.New("no such object")

// ErrUploadLost is wrapped by errors about an upload whose bytes are not, or
// no longer, what its state says. The upload can only be aborted.
var ErrUploadLost = errors.New("upload is lost")

// Store holds objects. Implementations are safe for concurrent use. Keys are
// 1 to 512 bytes of [a-z0-9-] and slashes, with no empty segments; no key is
// the folder of another. The caller keeps to that.
type Store interface {
	// Open returns the bytes of a completed object, or ErrAbsent, at the latest
	// from the first Read. The caller has kept the object's size and hands it
	// in, so that no driver needs to ask. It closes what it gets.
	Open(ctx context.Context, key string, size int64) (io.ReadSeekCloser, error)

	// Put makes an object of bytes that the caller has in memory. When it
	// returns nil the object is durable. After an error it may exist; the
	// caller gives the key up, or puts the same bytes again.
	Put(ctx context.Context, key string, body []byte) error

	// Append adds what r holds to an upload and returns the upload's next
	// state; everything up to its Size is then durable, and invisible until
	// Complete. The zero State begins an upload.
	//
	// An error of r, or a store that fails midway, does not spoil what was
	// stored before: the returned Upload is valid beside any error and says
	// by its Size how much of r it holds. Where nothing was added it equals u.
	//
	// Append never harms u: who appends to one state twice, at the same time
	// or one after the other, gets two futures, and Complete makes of each
	// exactly the bytes that it describes or refuses with ErrUploadLost. A
	// future that is not kept to is forgotten, not aborted; the store removes
	// what it held after UploadLife.
	Append(ctx context.Context, u Upload, r io.Reader) (Upload, error)

	// Complete makes the object that the upload holds visible and durable.
	// Done again it succeeds again. Errors wrap ErrUploadLost if the bytes are
	// gone or not those that the state describes.
	Complete(ctx context.Context, u Upload) error

	// Abort gives up the upload in all its states, and what was completed from
	// it. Absent is success.
	Abort(ctx context.Context, u Upload) error

	// Delete removes an object. Absent is success.
	Delete(ctx context.Context, key string) error
}

// UploadLife is how long a store keeps an upload that is neither completed nor
// aborted: by itself or by a broom that its operator runs, never sooner.
const UploadLife = 7 * 24 * time.Hour

// An Upload is an object in the making. It is a value: what survives between
// two requests is what the caller keeps of it.
type Upload struct {
	// Key is where the object will be. One upload has one key.
	Key string
	// Size is the bytes gathered so far.
	Size int64
	// State is the driver's own, opaque and small (at most 300 KiB for the
	// largest object the driver takes).
	State []byte
}

// A Locator is a store that can hand out URLs, so that bytes go straight
// between client and store.
type Locator interface {
	// ReadURL returns a URL under which method, GET or HEAD, of the object
	// works without credentials until it expires.
	ReadURL(ctx context.Context, key, method string, valid time.Duration) (string, error)

	// WriteURL returns a URL under which one PUT of exactly size bytes makes
	// the object, and the headers that the PUT must carry. sha256, the raw
	// checksum, binds the bytes where it is not nil.
	WriteURL(ctx context.Context, key string, size int64, sha256 []byte, valid time.Duration) (string, http.Header, error)
}
