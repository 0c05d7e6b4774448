package s3

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

// A block is what a buffer grows by. Buffers of all sizes share one pool of
// them, and an upload that is slow or small holds no more than it has.
type block [256 << 10]byte

// buffer gathers the bytes of a part.
type buffer struct {
	pool   *sync.Pool
	blocks []*block
	size   int64
	crc    uint32 // IEEE, of all of it
}

var _ io.ReaderAt = (*buffer)(nil)

// fill reads until the buffer holds limit bytes, r ends or ctx does, and
// returns the plain error that it ended with: io.EOF is the good one.
func (b *buffer) fill(ctx context.Context, r io.Reader, limit int64) error {
	for b.size < limit {
		if err := ctx.Err(); err != nil {
			return err
		}
		room := b.room()
		n, err := r.Read(room[:min(int64(len(room)), limit-b.size)])
		b.crc = crc32.Update(b.crc, crc32.IEEETable, room[:n])
		b.size += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// room is the unused end of the last block.
func (b *buffer) room() []byte {
	used := int(b.size % int64(len(block{})))
	if used == 0 && b.size == int64(len(b.blocks)*len(block{})) {
		b.blocks = append(b.blocks, b.pool.Get().(*block))
	}
	return b.blocks[len(b.blocks)-1][used:]
}

// free gives the memory back.
func (b *buffer) free() {
	for _, block := range b.blocks {
		b.pool.Put(block)
	}
	b.blocks, b.size, b.crc = nil, 0, 0
}

// reader returns the contents from the start, for the SDK to read as often as
// it must.
func (b *buffer) reader() io.ReadSeeker { return io.NewSectionReader(b, 0, b.size) }

func (b *buffer) ReadAt(p []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, errors.New("read before the start")
	}
	for n < len(p) && at < b.size {
		from := at % int64(len(block{}))
		m := copy(p[n:], b.blocks[at/int64(len(block{}))][from:min(int64(len(block{})), from+b.size-at)])
		n += m
		at += int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
