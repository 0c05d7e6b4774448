package blobstest

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"sort"
)

// content is the bytes of an object, in pieces as they came. It never changes.
type content struct {
	pieces []piece
	size   int64
}

// A piece is a run of bytes; a hollow one is all zeros, and is not kept.
type piece struct {
	bytes  []byte
	size   int64
	sum    [sha256.Size]byte
	hollow bool
	end    int64 // where it ends in its content
}

func filled(b []byte) piece {
	return piece{bytes: b, size: int64(len(b)), sum: sha256.Sum256(b)}
}

// contentOf takes the pieces over.
func contentOf(pieces ...piece) content {
	c := content{pieces: pieces}
	for i := range pieces {
		c.size += pieces[i].size
		pieces[i].end = c.size
	}
	return c
}

// with returns the content that has one piece more.
func (c content) with(p piece) content { return contentOf(append(slices.Clone(c.pieces), p)...) }

// isHollow reports whether any of it is.
func (c content) isHollow() bool {
	return slices.ContainsFunc(c.pieces, func(p piece) bool { return p.hollow })
}

// writeTo hashes all of it.
func (c content) writeTo(h hash.Hash) {
	for _, p := range c.pieces {
		h.Write(p.bytes)
	}
}

// ReadAt implements io.ReaderAt.
func (c content) ReadAt(b []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, errors.New("read before the start")
	}
	first := sort.Search(len(c.pieces), func(i int) bool { return c.pieces[i].end > at })
	for _, p := range c.pieces[first:] {
		if n == len(b) {
			break
		}
		m := p.copyTo(b[n:], at-(p.end-p.size))
		n += m
		at += int64(m)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// copyTo copies what comes from an offset on.
func (p piece) copyTo(b []byte, from int64) int {
	if !p.hollow {
		return copy(b, p.bytes[from:])
	}
	n := int(min(int64(len(b)), p.size-from))
	clear(b[:n])
	return n
}

// open returns a reader of all of it.
func (c content) open(ctx context.Context) io.ReadSeekCloser {
	return opened{ctx, io.NewSectionReader(c, 0, c.size)}
}

// opened is a reader that ends with its context.
type opened struct {
	ctx context.Context
	*io.SectionReader
}

func (o opened) Read(b []byte) (int, error) { return during{o.ctx, o.SectionReader}.Read(b) }

func (o opened) Close() error { return nil }
