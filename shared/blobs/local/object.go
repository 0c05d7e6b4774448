package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/shared/blobs"
)

// Open returns the *os.File itself: copied to a connection, its bytes need not
// pass through this process.
func (s *Store) Open(ctx context.Context, key string, size int64) (io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	path, err := s.objectPath(key)
	if err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open object %q: %w", key, blobs.ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	return f, nil
}

// Put writes beside the objects and renames.
func (s *Store) Put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	path, err := s.objectPath(key)
	if err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	f, _, err := s.create(key)
	if err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	// A crash before the rename leaves a file for Sweep.
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = s.publish(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) // Sweep gets what this does not
		return fmt.Errorf("put object: %w", err)
	}
	return nil
}

// publish gives a synced file its place among the objects. The rename is what
// makes it visible. A crash before the folder is synced leaves it visible or
// not, but whole; the caller was told nothing yet.
func (s *Store) publish(file, object string) error {
	folder := filepath.Dir(object)
	if err := s.objects.ensure(folder); err != nil {
		return err
	}
	if err := os.Rename(file, object); err != nil {
		return err
	}
	return syncFolder(folder)
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	path, err := s.objectPath(key)
	if err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	if err := s.remove(path); err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	return nil
}

// remove deletes an object for good. Without the sync it could come back after
// a crash, when nobody remembers it any more.
func (s *Store) remove(object string) error {
	err := os.Remove(object)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(object))
}
