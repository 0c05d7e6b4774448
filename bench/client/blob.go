package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
)

// A Blob is bytes that are made when they are read.
type Blob struct {
	Digest string
	Size   int64

	head  []byte // what no other blob has
	block []byte // repeated behind it
}

// A Maker makes blobs, no two alike.
type Maker struct {
	next  uint64
	block []byte
}

// NewMaker returns a maker whose blobs are not those of any other.
func NewMaker() *Maker {
	block := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{})
	source.Read(block) // never fails
	return &Maker{next: rand.Uint64(), block: block}
}

// Blob returns a new blob of at least 8 bytes.
func (m *Maker) Blob(size int64) Blob {
	m.next++
	b := Blob{Size: max(size, 8), head: binary.BigEndian.AppendUint64(nil, m.next), block: m.block}
	h := sha256.New()
	io.Copy(h, b.Open()) // a hash never fails, nor does this reader
	b.Digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return b
}

// Open returns the bytes from the start.
func (b Blob) Open() io.Reader {
	return io.LimitReader(io.MultiReader(bytes.NewReader(b.head), &repeating{block: b.block}), b.Size)
}

// repeating is a block without end.
type repeating struct {
	block []byte
	at    int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}
