package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// File returns a Vault in a file, of which the folder is there. Only one process
// may write to it at a time: whoever has the folder sees to that.
func File(path string) Vault { return &file{path: path} }

type file struct {
	path string
	mu   sync.Mutex // held from reading a version until it is replaced
}

// maxFile is more than any document has, in bytes.
const maxFile = 64 << 10

func (f *file) Load(context.Context) ([]byte, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.load()
}

func (f *file) load() (doc []byte, version string, err error) {
	opened, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", ErrAbsent
	}
	if err != nil {
		return nil, "", fmt.Errorf("open the file of keys: %w", err)
	}
	defer opened.Close()
	if err := private(opened); err != nil {
		return nil, "", err
	}
	if doc, err = io.ReadAll(io.LimitReader(opened, maxFile)); err != nil {
		return nil, "", fmt.Errorf("read the file of keys: %w", err)
	}
	sum := sha256.Sum256(doc)
	return doc, hex.EncodeToString(sum[:]), nil
}

// private refuses a file that everybody on the machine may read or write. A
// group is left alone: where volumes are mounted for a group, as in Kubernetes,
// it is given to all files. Windows has no such bits.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the file of keys: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o007 != 0 {
		return fmt.Errorf("%s has the keys that sign tokens and is open to everybody (%v): chmod 600 it, and rotate the keys", f.Name(), mode)
	}
	return nil
}

// Store writes beside the file and then takes its place. A crash leaves the old
// file, with what was written of the new one beside it until the next time, or
// the new file.
func (f *file) Store(_ context.Context, doc []byte, ifVersion string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, version, err := f.load()
	if err != nil && !errors.Is(err, ErrAbsent) {
		return err
	}
	if version != ifVersion {
		return ErrConflict
	}
	beside := f.path + ".new"
	if err := write(beside, doc); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	if err := os.Rename(beside, f.path); err != nil {
		return fmt.Errorf("replace the file of keys: %w", err)
	}
	if err := syncFolder(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("keep the file of keys: %w", err)
	}
	return nil
}

// write makes a file anew: one that is there may have been opened by somebody.
func write(name string, doc []byte) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(doc)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncFolder makes a rename outlive a loss of power.
func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
