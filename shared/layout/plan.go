package layout

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// A plan is where in an archive each blob goes: all sizes are known before the
// first byte is. It depends on nothing but digests and sizes.
type plan struct {
	slots []slot
	at    map[oci.Digest]int // index of slots
	end   int64              // of all blobs; the rest of the archive follows
}

// A slot is the room of one blob.
type slot struct {
	digest oci.Digest
	size   int64
	header []byte
	start  int64 // of the header
	line   int64 // in the journal, where it says how far the blob is
}

// body is where the bytes of the blob begin.
func (s slot) body() int64 { return s.start + int64(len(s.header)) }

func newPlan(all []oci.Descriptor) (*plan, error) {
	p := &plan{at: map[oci.Digest]int{}}
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b oci.Descriptor) int { return strings.Compare(blobPath(a.Digest), blobPath(b.Digest)) })
	line := int64(len(journalHead))
	for _, d := range sorted {
		if _, twice := p.at[d.Digest]; twice {
			continue
		}
		header, err := memberHeader(blobPath(d.Digest), d.Size)
		if err != nil {
			return nil, err
		}
		s := slot{digest: d.Digest, size: d.Size, header: header, start: p.end}
		if d.Size > math.MaxInt64-s.body()-1024 {
			return nil, errors.New("its blobs are larger than any file")
		}
		s.line = line + int64(len(journalLine(s, 0))-journalDigits-1)
		line = s.line + journalDigits + 1
		p.at[d.Digest] = len(p.slots)
		p.slots = append(p.slots, s)
		p.end = blockEnd(s.body() + s.size)
	}
	return p, nil
}

// blockEnd rounds up to whole blocks of a tar.
func blockEnd(n int64) int64 { return (n + 511) / 512 * 512 }

// memberHeader is the same for the same name and size, at any time and on any
// machine.
func memberHeader(name string, size int64) ([]byte, error) {
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0),
	})
	return b.Bytes(), err
}

// tail returns what follows the blobs: small files, and the end of the archive.
func tail(files []namedFile) ([]byte, error) {
	var b bytes.Buffer
	for _, f := range files {
		header, err := memberHeader(f.name, int64(len(f.raw)))
		if err != nil {
			return nil, err
		}
		b.Write(header)
		b.Write(f.raw)
		b.Write(make([]byte, blockEnd(int64(b.Len()))-int64(b.Len())))
	}
	b.Write(make([]byte, 1024))
	return b.Bytes(), nil
}

type namedFile struct {
	name string
	raw  []byte
}

// The journal of an archive in the making: a line for each blob, in the order of
// the plan, with its digest, its size, and how many bytes of it are there.
const (
	journalHead   = "an archive of images in the making, version 1\n"
	journalDigits = 20
)

func journalLine(s slot, far int64) string {
	return fmt.Sprintf("%s %d %s\n", s.digest, s.size, journalNumber(far))
}

// journalNumber always has the same length, so that it is written over.
func journalNumber(far int64) string { return fmt.Sprintf("%0*d", journalDigits, far) }

// journal returns the file for a plan of which nothing is there yet.
func (p *plan) journal() []byte {
	var b bytes.Buffer
	b.WriteString(journalHead)
	for _, s := range p.slots {
		b.WriteString(journalLine(s, 0))
	}
	return b.Bytes()
}

// resume reads a journal: how far each blob is. It says false of one that was
// kept for another plan, or was not written to its end.
func (p *plan) resume(journal []byte) ([]int64, bool) {
	fresh := p.journal()
	if len(journal) != len(fresh) {
		return nil, false
	}
	far := make([]int64, len(p.slots))
	for i, s := range p.slots {
		number := journal[s.line : s.line+journalDigits]
		n, err := strconv.ParseInt(string(number), 10, 64)
		if err == nil && n >= 0 && n <= s.size {
			far[i] = n // and else 0: a torn line costs one blob
		}
		copy(number, fresh[s.line:])
	}
	return far, bytes.Equal(journal, fresh)
}
