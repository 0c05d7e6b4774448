package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// bufferSize is about what one writing client costs in memory. A larger one
// is no faster.
const bufferSize = 256 << 10

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// folders makes folders below root, so that they survive a crash.
type folders struct {
	root string
	mu   sync.Mutex
	// Those that this process has seen to. A folder that is merely there may
	// stem from a process that was killed before it could sync the parent.
	known map[string]bool
}

// ensure returns when path, which is below root or is root, is durably there.
func (f *folders) ensure(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ensureLocked(path)
}

func (f *folders) ensureLocked(path string) error {
	if path == f.root || f.known[path] {
		return nil
	}
	parent := filepath.Dir(path)
	if err := f.ensureLocked(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncFolder(parent); err != nil {
		return err
	}
	f.known[path] = true
	return nil
}

// names is a set of upload files that somebody is writing, moving or removing.
type names struct {
	mu   sync.Mutex
	held map[string]bool
}

// take reports whether the caller now has the file to itself, until give.
func (n *names) take(path string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[path] {
		return false
	}
	n.held[path] = true
	return true
}

func (n *names) give(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.held, path)
}

// samePrefix reports whether two files have the same first size bytes.
func (s *Store) samePrefix(a, b io.ReaderAt, size int64) (bool, error) {
	bufA, bufB := s.buffers.Get().(*[bufferSize]byte), s.buffers.Get().(*[bufferSize]byte)
	defer s.buffers.Put(bufA)
	defer s.buffers.Put(bufB)
	for at := int64(0); at < size; at += bufferSize {
		pieceA, pieceB := bufA[:min(bufferSize, size-at)], bufB[:min(bufferSize, size-at)]
		_, errA := a.ReadAt(pieceA, at)
		_, errB := b.ReadAt(pieceB, at)
		if err := errors.Join(errA, errB); err != nil {
			return false, fmt.Errorf("compare files: %w", err)
		}
		if !bytes.Equal(pieceA, pieceB) {
			return false, nil
		}
	}
	return true, nil
}
