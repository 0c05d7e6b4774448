package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/berthregistry/berth/shared/blobs"
)

// Append adds to an upload. Its State is the random part of a file's name.
//
// The rule that keeps futures apart: bytes of a file that some state counts
// are never written again. A file that ends where the state does is continued
// in place; one that goes on, because another Append got there first or the
// state which it returned was lost, is left alone and its beginning copied.
func (s *Store) Append(ctx context.Context, u blobs.Upload, r io.Reader) (blobs.Upload, error) {
	buf := s.buffers.Get().(*[bufferSize]byte)
	defer s.buffers.Put(buf)
	// No file is touched before there is something to add: nothing appended
	// is nothing changed.
	n, end := fill(ctx, r, buf[:])
	if n == 0 {
		return u, endOf(end)
	}
	g, err := s.grow(ctx, u)
	if err != nil {
		return u, fmt.Errorf("append to upload: %w", err)
	}
	for err = g.write(buf[:n]); err == nil && end == nil; err = g.write(buf[:n]) {
		n, end = fill(ctx, r, buf[:])
	}
	if syncErr := g.sync(); err == nil {
		err = syncErr
	}
	if err == nil {
		err = endOf(end)
	}
	return g.finish(u), err
}

// fill reads until buf is full, r ends or ctx does, and returns the plain
// error that it ended with: io.EOF is the good one, also with n > 0.
func fill(ctx context.Context, r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		if err = ctx.Err(); err != nil {
			break
		}
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// endOf is what the end of a reader means to the caller.
func endOf(err error) error {
	if err == nil || err == io.EOF {
		return nil
	}
	return fmt.Errorf("append to upload: read: %w", err)
}

// writebackEvery is how much is written before the disk is set to work on it.
// Left to itself the kernel waits, and the sync at the end of 1 GiB takes most
// of a second instead of a tenth.
const writebackEvery = 16 << 20

// growing is an upload's file while bytes are added to it.
type growing struct {
	store   *Store
	file    *os.File
	name    string // the random part
	fresh   bool   // the file is new, its name not durable yet
	written int64  // where the file ends
	started int64  // up to here the kernel was told to write to the disk
	synced  int64  // up to here it has
}

// grow returns the file to append to: the upload's own, or a new one.
func (s *Store) grow(ctx context.Context, u blobs.Upload) (*growing, error) {
	if len(u.State) == 0 {
		if u.Size != 0 {
			return nil, fmt.Errorf("state is empty, yet size is %d: %w", u.Size, blobs.ErrUploadLost)
		}
		return s.begin(u.Key)
	}
	path, err := s.uploadPath(u)
	if err != nil {
		return nil, err
	}
	// Taken before it is opened: what is opened first could be renamed to an
	// object, and then be written to as if it were still an upload.
	mine := s.busy.take(path)
	f, size, err := openUpload(path, u)
	if err == nil && mine && size == u.Size {
		return &growing{store: s, file: f, name: string(u.State), written: size, started: size, synced: size}, nil
	}
	if mine {
		s.busy.give(path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return s.fork(ctx, f, u)
}

// openUpload opens the file of a state, if it still holds the state's bytes.
func openUpload(path string, u blobs.Upload) (f *os.File, size int64, err error) {
	f, err = os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("file is gone: %w", blobs.ErrUploadLost)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < u.Size {
		err = fmt.Errorf("file has %d bytes of %d: %w", info.Size(), u.Size, blobs.ErrUploadLost)
	}
	if err == nil {
		_, err = f.Seek(u.Size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// begin returns a new, empty file of an upload.
func (s *Store) begin(key string) (*growing, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	f, name, err := s.create(key)
	if err != nil {
		return nil, err
	}
	s.busy.take(f.Name())
	return &growing{store: s, file: f, name: name, fresh: true}, nil
}

// fork returns a new file that begins with the bytes of u. Where the file
// system can share blocks between files, no byte is copied.
func (s *Store) fork(ctx context.Context, from *os.File, u blobs.Upload) (*growing, error) {
	g, err := s.begin(u.Key)
	if err != nil {
		return nil, err
	}
	if err := g.copyFrom(ctx, from, u.Size); err != nil {
		g.drop()
		return nil, fmt.Errorf("copy earlier bytes: %w", err)
	}
	return g, nil
}

// copyFrom copies the first size bytes of a file, in pieces between which ctx
// can end it.
func (g *growing) copyFrom(ctx context.Context, from *os.File, size int64) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for g.written < size {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(g.file, from, min(64<<20, size-g.written))
		g.written += n
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *growing) write(p []byte) error {
	n, err := g.file.Write(p)
	g.written += int64(n)
	if err != nil {
		return fmt.Errorf("append to upload: %w", err)
	}
	if g.written-g.started >= writebackEvery {
		startWriteback(g.file, g.started, g.written-g.started)
		g.started = g.written
	}
	return nil
}

// sync makes durable what was written. If it fails, the file is longer than
// the state that the caller gets, and so never continued: after a failed sync
// nobody knows what it holds.
func (g *growing) sync() error {
	if err := g.file.Sync(); err != nil {
		return fmt.Errorf("append to upload: %w", err)
	}
	if g.fresh {
		if err := syncFolder(g.store.uploads); err != nil {
			return fmt.Errorf("append to upload: %w", err)
		}
	}
	g.synced = g.written
	return nil
}

// finish gives up the file and returns the state that u has become.
func (g *growing) finish(u blobs.Upload) blobs.Upload {
	if g.synced > u.Size {
		g.close()
		return blobs.Upload{Key: u.Key, Size: g.synced, State: []byte(g.name)}
	}
	if g.fresh {
		g.drop()
	} else {
		g.close()
	}
	return u
}

func (g *growing) close() {
	g.file.Close() // what counts was synced
	g.store.busy.give(g.file.Name())
}

// drop removes a new file that no state refers to.
func (g *growing) drop() {
	os.Remove(g.file.Name()) // Sweep gets what this does not
	g.close()
}
