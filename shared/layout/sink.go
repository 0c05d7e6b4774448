package layout

import (
	"fmt"
	"io"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A place is where the bytes of one blob go. Offsets are within the blob.
type place interface {
	io.ReaderAt
	io.WriterAt
	// reach notes that the first n bytes are there, and no more. For 0 it is
	// called before bytes are written over.
	reach(n int64) error
	// commit gives the blob its name. All its bytes are there.
	commit() error
	io.Closer
}

// sink writes a blob from its beginning to its end.
type sink struct {
	to   place
	path string // of all, for errors
	blob oci.Descriptor
	at   int64
}

var _ transfer.Sink = (*sink)(nil)

func (s *sink) Prefix() (io.ReadCloser, int64, error) {
	return io.NopCloser(io.NewSectionReader(s.to, 0, s.at)), s.at, nil
}

func (s *sink) Write(p []byte) (int, error) {
	if int64(len(p)) > s.blob.Size-s.at {
		return 0, s.wrap(fmt.Errorf("%d bytes are more than its size", s.at+int64(len(p))))
	}
	n, err := s.to.WriteAt(p, s.at)
	s.at += int64(n)
	// A crash here, or an error, leaves bytes that nobody counts.
	if noted := s.to.reach(s.at); err == nil {
		err = noted
	}
	return n, s.wrap(err)
}

func (s *sink) Reset() error {
	s.at = 0
	return s.wrap(s.to.reach(0))
}

func (s *sink) Commit() error {
	if s.at != s.blob.Size {
		return s.wrap(fmt.Errorf("it has %d bytes of %d", s.at, s.blob.Size))
	}
	return s.wrap(s.to.commit())
}

func (s *sink) Close() error { return s.wrap(s.to.Close()) }

func (s *sink) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write %s to %s: %w", s.blob.Digest, s.path, full(s.path, err))
}
