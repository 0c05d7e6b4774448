package layout

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"oras.land/oras-go/v2/errdef"
)

// What is kept of an archive is bounded, whatever it is made of.
const (
	maxMembers = 100_000
	maxNames   = 64 << 20 // bytes of all names
	maxHops    = 8        // from link to link
)

// archive is the tree of a tar, of which only the headers have been read.
type archive struct {
	file    *os.File
	size    int64
	members map[string]member
}

// member is an entry of a tar that is not a folder.
type member struct {
	kind   kind
	offset int64  // of the bytes, or of the headers of something sparse
	size   int64  // of the bytes, unpacked
	target string // of a link: the path of what it leads to
	skip   int    // of something sparse: how many entries lie between offset and it
}

type kind byte

const (
	plain kind = iota + 1
	sparse
	link
	special // a device, a pipe: nothing that is ever read
)

func openArchive(path string) (*archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	a := &archive{file: f, members: map[string]member{}}
	if err := a.scan(); err != nil {
		f.Close() // it was only read
		return nil, err
	}
	return a, nil
}

// scan reads all headers. The tar package seeks over what is between them.
func (a *archive) scan() error {
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	a.size = info.Size()
	if err := a.isTar(); err != nil {
		return err
	}
	r := io.NewSectionReader(a.file, 0, a.size)
	s := scanner{archive: a, section: r, tar: tar.NewReader(r)}
	for {
		err := s.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// isTar says what is wrong where it begins like something else.
func (a *archive) isTar() error {
	var head [512]byte
	n, err := a.file.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	if n < len(head) {
		return errors.New("it is no tar: too short for one")
	}
	if c := compression(head[:]); c != "" && string(head[257:262]) != "ustar" {
		return fmt.Errorf("it is compressed by %s, and is read by random access: decompress it first, with %s -d", c, c)
	}
	return nil
}

// scanner goes from header to header.
type scanner struct {
	*archive
	section *io.SectionReader
	tar     *tar.Reader
	names   int   // bytes
	known   int64 // an offset at which headers begin
	since   int   // how many entries begin there or behind, up to this one
}

func (s *scanner) next() error {
	h, err := s.tar.Next()
	if err == io.EOF {
		return err
	}
	if err != nil {
		return fmt.Errorf("it is no tar, or cut short: %w", err)
	}
	at, err := s.section.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	m := member{kind: sparse, offset: s.known, skip: s.since, size: h.Size}
	if isSparse(h) { // how much room that takes, only the tar package knows
		s.since++
	} else {
		if m, err = s.member(h, at); err != nil {
			return err
		}
		s.known, s.since = blockEnd(at+bodySize(h)), 0
	}
	return s.add(h, m)
}

// member is what h, whose bytes begin at at, describes.
func (s *scanner) member(h *tar.Header, at int64) (m member, err error) {
	if size := bodySize(h); size > s.size-at {
		return m, fmt.Errorf("it is cut short: %s should have %d bytes, and %d follow", oci.Clip(h.Name), size, s.size-at)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont:
		return member{kind: plain, offset: at, size: h.Size}, nil
	case tar.TypeLink:
		m.target, err = inside(h.Linkname)
	case tar.TypeSymlink:
		if m.target, err = inside(h.Linkname); !path.IsAbs(h.Linkname) {
			m.target, err = inside(path.Join(path.Dir(h.Name), h.Linkname))
		}
	default:
		return member{kind: special}, nil
	}
	m.kind = link
	return m, err
}

// bodySize is how many bytes follow a header that is not of something sparse.
func bodySize(h *tar.Header) int64 {
	switch h.Typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return 0 // whatever the header says
	}
	return h.Size
}

// add keeps a member under its name. What is there twice is refused: some would
// read the first, others the last.
func (s *scanner) add(h *tar.Header, m member) error {
	if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := inside(h.Name)
	if err != nil {
		return err
	}
	if _, twice := s.members[name]; twice {
		return fmt.Errorf("it has %s twice", oci.Clip(name))
	}
	s.names += len(name) + len(m.target)
	if len(s.members) == maxMembers || s.names > maxNames {
		return fmt.Errorf("it has more than %d entries, or names of more than %d bytes: %w", maxMembers, maxNames, errdef.ErrSizeExceedsLimit)
	}
	s.members[name] = m
	return nil
}

// inside returns the name of something in the archive in its shortest form.
func inside(name string) (string, error) {
	clean := path.Clean(name)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%s leads out of the archive", oci.Clip(name))
	}
	return clean, nil
}

func (a *archive) open(ctx context.Context, name string) (*file, error) {
	at, m, err := a.find(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", oci.Clip(name), err)
	}
	switch m.kind {
	case plain:
		return &file{ReaderAt: io.NewSectionReader(a.file, m.offset, m.size), Closer: stays{}, size: m.size}, nil
	case sparse:
		pieces, err := a.pieces(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", oci.Clip(at), err)
		}
		return &file{ReaderAt: &holed{file: a.file, pieces: pieces, size: m.size}, Closer: stays{}, size: m.size}, nil
	}
	return nil, fmt.Errorf("%s is not a regular file", oci.Clip(at))
}

// find follows links to something that is none.
func (a *archive) find(name string) (string, member, error) {
	name, err := inside(name)
	if err != nil {
		return "", member{}, err
	}
	for range maxHops {
		m, ok := a.members[name]
		if !ok {
			return "", member{}, fs.ErrNotExist
		}
		if m.kind != link {
			return name, m, nil
		}
		name = m.target
	}
	return "", member{}, fmt.Errorf("more than %d links, one leading to the next", maxHops)
}

func (a *archive) Close() error { return a.file.Close() }

// stays is how a file is closed that is a part of one which stays open.
type stays struct{}

func (stays) Close() error { return nil }
