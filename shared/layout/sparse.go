package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"oras.land/oras-go/v2/errdef"
)

// maxSparse is the largest file with holes that is read, in bytes unpacked. To
// find its pieces takes a pass over so much memory.
const maxSparse = 32 << 30

// isSparse says whether a file is kept without its holes: by GNU tar if it was
// told to, by that of macOS unasked.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// A piece is bytes of a sparse file that are no hole.
type piece struct {
	off, size int64 // in the file
	at        int64 // in the archive
}

// pieces finds out where the bytes of a sparse member are. There are four ways
// to write that down. The tar package reads all of them and keeps it to itself;
// so it is made to unpack the file from an archive in which every byte is one,
// and what comes out as zero are the holes.
func (a *archive) pieces(ctx context.Context, m member) ([]piece, error) {
	if m.size > maxSparse {
		return nil, fmt.Errorf("it has holes and %d bytes, more than %d are not read: pack it without --sparse: %w",
			m.size, int64(maxSparse), errdef.ErrSizeExceedsLimit)
	}
	p := &painter{SectionReader: io.NewSectionReader(a.file, 0, a.size)}
	if _, err := p.Seek(m.offset, io.SeekStart); err != nil {
		return nil, err
	}
	r := tar.NewReader(p)
	for range m.skip + 1 {
		if _, err := r.Next(); err != nil {
			return nil, err
		}
	}
	at, err := p.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	p.on = true
	return survey(ctx, r, m.size, at)
}

// survey reads what was painted, of which the first byte is at at.
func survey(ctx context.Context, r io.Reader, size, at int64) (found []piece, err error) {
	buf := make([]byte, 256<<10)
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := io.ReadFull(r, buf[:min(int64(len(buf)), size-off)])
		if err != nil {
			return nil, fmt.Errorf("it is cut short: %w", err)
		}
		for rest := buf[:n]; len(rest) > 0; {
			hole := bytes.IndexByte(rest, paint)
			if hole < 0 {
				hole = len(rest)
			}
			filled := len(rest[hole:]) - len(bytes.TrimLeft(rest[hole:], string([]byte{paint})))
			found = extend(found, piece{off: off + int64(hole), size: int64(filled), at: at})
			off, at = off+int64(hole+filled), at+int64(filled)
			rest = rest[hole+filled:]
		}
	}
	return found, nil
}

// extend adds a piece, which may go on where the last one ends.
func extend(all []piece, p piece) []piece {
	if p.size == 0 {
		return all
	}
	if last := len(all) - 1; last >= 0 && all[last].off+all[last].size == p.off {
		all[last].size += p.size
		return all
	}
	return append(all, p)
}

const paint = 1

// painter reads a file, or paint where it has bytes.
type painter struct {
	*io.SectionReader
	on bool
}

func (p *painter) Read(b []byte) (int, error) {
	if !p.on {
		return p.SectionReader.Read(b)
	}
	at, err := p.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	n := min(int64(len(b)), p.Size()-at)
	if n <= 0 {
		return 0, io.EOF
	}
	for i := range b[:n] {
		b[i] = paint
	}
	_, err = p.Seek(n, io.SeekCurrent)
	return int(n), err
}

// holed reads a sparse file.
type holed struct {
	file   *os.File
	pieces []piece
	size   int64
}

func (h *holed) ReadAt(b []byte, off int64) (n int, err error) {
	short := off+int64(len(b)) > h.size
	if short {
		b = b[:max(0, h.size-off)]
	}
	clear(b)
	end := off + int64(len(b))
	first := sort.Search(len(h.pieces), func(i int) bool { return h.pieces[i].off+h.pieces[i].size > off })
	for _, p := range h.pieces[first:] {
		if p.off >= end {
			break
		}
		from, to := max(p.off, off), min(p.off+p.size, end)
		if _, err := h.file.ReadAt(b[from-off:to-off], p.at+from-p.off); err != nil {
			return int(from - off), err
		}
	}
	if short {
		return len(b), io.EOF
	}
	return len(b), nil
}
