// Package transfer is the client half of Berth's transfers: it brings blobs to
// a registry and fetches them, in parts side by side, and goes on where an
// earlier attempt ended. With a registry that knows direct transfer
// (docs/direct-transfer.md) bytes go straight to its store; with any other, as
// the distribution spec has it.
package transfer

import (
	"context"
	"io"

	"github.com/berthregistry/berth/shared/oci"
)

// A Source is the bytes of a blob, which can be read from anywhere in it, by
// several goroutines at once, and again.
type Source interface {
	// ReadPart fills p with the bytes from off on. Anything less is an error. It
	// tries again by itself what is worth it.
	ReadPart(ctx context.Context, off int64, p []byte) error
	// Close gives up what is held.
	io.Closer
}

// A Sink takes the bytes of a blob in their order, and keeps what it has taken
// if it comes to no end: for the next attempt.
type Sink interface {
	// Prefix returns what an earlier attempt left, to be read once, and its length.
	Prefix() (io.ReadCloser, int64, error)
	// Write adds to it. A full disk is an error that wraps syscall.ENOSPC.
	io.Writer
	// Reset forgets all bytes.
	Reset() error
	// Commit says that these are all bytes, and that they are right.
	Commit() error
	// Close is called at the end, also after Commit. What was not committed stays.
	io.Closer
}

// A Watcher is told how far blobs are. Its methods are called by several
// goroutines at once and do not block.
type Watcher interface {
	// Moved adds n bytes to what of a blob has arrived. n is negative where an attempt is
	// made anew.
	Moved(d oci.Descriptor, n int64)
	// Settled says how a blob came to its end, with all its bytes.
	Settled(d oci.Descriptor, how Way)
}

// A Way is how a blob got where it is.
type Way string

// A Standing says of digests how they got to a repository. Those that are not
// there are not in it.
type Standing map[oci.Digest]Way

// The ways.
const (
	There   Way = "present" // nothing had to be done
	Mounted Way = "mounted" // another repository of the registry had it
	Direct  Way = "direct"  // straight to or from the store
	Plain   Way = "plain"   // through the registry
)
