package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

// Complete moves the upload's file to its place. A file that is longer than
// the state, or being appended to, may be somebody's future: then the bytes of
// the state are copied and the copy is moved.
//
// Done again it finds the object. Whether that was made of this state is told
// by the bytes, if the upload's file is still there, and otherwise by the size:
// the file itself has become the object. A future whose file Sweep has taken
// could be mistaken for that; it was past UploadLife.
func (s *Store) Complete(ctx context.Context, u blobs.Upload) error {
	defer s.lock(u.Key)()
	err := ctx.Err()
	if err == nil {
		err = s.complete(ctx, u)
	}
	if err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	return nil
}

func (s *Store) complete(ctx context.Context, u blobs.Upload) error {
	object, err := s.objectPath(u.Key)
	if err != nil {
		return err
	}
	there, err := os.Open(object)
	if err == nil {
		defer there.Close()
		return s.completed(u, there)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if u.Size == 0 {
		return s.Put(ctx, u.Key, nil)
	}
	return s.move(ctx, u, object)
}

// completed decides whether the object that is there was made of u.
func (s *Store) completed(u blobs.Upload, there *os.File) error {
	info, err := there.Stat()
	if err != nil {
		return err
	}
	if info.Size() != u.Size {
		return fmt.Errorf("another future was completed: %w", blobs.ErrUploadLost)
	}
	if u.Size > 0 {
		if err := s.compare(u, there); err != nil {
			return err
		}
	}
	// The Complete that made it may not have come to this.
	return errors.Join(syncFolder(filepath.Dir(there.Name())), s.forget())
}

// forget makes durable that files have left uploads. One that came back after
// a crash would be the same file as its object, and to append to it would
// change the object.
func (s *Store) forget() error { return syncFolder(s.uploads) }

// compare checks the object against the upload's own file, if there is one.
func (s *Store) compare(u blobs.Upload, there *os.File) error {
	path, err := s.uploadPath(u)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	same, err := s.samePrefix(f, there, u.Size)
	if err == nil && !same {
		err = fmt.Errorf("another future was completed: %w", blobs.ErrUploadLost)
	}
	return err
}

// move makes the object of the upload's file, or of a copy.
func (s *Store) move(ctx context.Context, u blobs.Upload, object string) error {
	path, err := s.uploadPath(u)
	if err != nil {
		return err
	}
	mine := s.busy.take(path)
	if mine {
		defer s.busy.give(path)
	}
	f, size, err := openUpload(path, u)
	if err != nil {
		return err
	}
	defer f.Close()
	if mine && size == u.Size {
		if err := s.publish(path, object); err != nil {
			return err
		}
		return s.forget()
	}
	g, err := s.fork(ctx, f, u)
	if err != nil {
		return err
	}
	if err = g.sync(); err == nil {
		err = s.publish(g.file.Name(), object)
	}
	if err != nil {
		g.drop()
		return err
	}
	g.close()
	return nil
}

// Abort removes every file of the key: those of all states of the upload, and
// the object. The object goes last, for an upload file can still become it.
func (s *Store) Abort(ctx context.Context, u blobs.Upload) error {
	defer s.lock(u.Key)()
	err := ctx.Err()
	if err == nil {
		err = s.abort(u.Key)
	}
	if err != nil {
		return fmt.Errorf("abort upload: %w", err)
	}
	return nil
}

func (s *Store) abort(key string) error {
	object, err := s.objectPath(key)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(s.uploads)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), uploadPrefix(key)) {
			continue
		}
		if err := os.Remove(filepath.Join(s.uploads, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return s.remove(object)
}

// Sweep removes what uploads have left that were not appended to since before,
// and reports how many files that were. It is for the operator of the store to
// call now and then with a time at least UploadLife ago.
func (s *Store) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	entries, err := os.ReadDir(s.uploads)
	if err != nil {
		return 0, fmt.Errorf("sweep uploads: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return removed, fmt.Errorf("sweep uploads: %w", err)
		}
		gone, err := s.sweep(filepath.Join(s.uploads, e.Name()), before)
		if err != nil {
			return removed, fmt.Errorf("sweep uploads: %w", err)
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

// sweep removes one file if it is old and nobody uses it.
func (s *Store) sweep(path string, before time.Time) (gone bool, err error) {
	if !s.busy.take(path) {
		return false, nil
	}
	defer s.busy.give(path)
	info, err := os.Lstat(path)
	if err == nil && info.ModTime().Before(before) {
		err = os.Remove(path)
		gone = err == nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // completed or aborted since the folder was read
	}
	return gone, err
}
