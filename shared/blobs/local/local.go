// Package local keeps objects as files in a folder of the machine's own disk.
//
//	<dir>/objects/<key>                  an object, whole
//	<dir>/uploads/<hash of key>.<name>   bytes on their way to become one
//
// What a call has acknowledged is on the disk: the file was synced, and so was
// the folder that names it. An object appears by a rename, whole, and whoever
// reads the folder with other tools sees nothing else under objects.
//
// A folder has one Store at a time. The Store does not see to that: two of
// them would append to the same file without knowing of each other.
//
// Folders under objects stay when their last object goes. Keys that share a
// few folders are the better keys: each costs a sync when it is first used.
package local

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/berthregistry/berth/shared/blobs"
)

var _ blobs.Store = (*Store)(nil)

// Store is a blobs.Store in a folder.
type Store struct {
	objects folders
	uploads string
	busy    names
	buffers sync.Pool

	// Completing and aborting one key exclude each other, so that an object
	// cannot appear behind the back of an Abort. Keys share these locks.
	keys [64]sync.Mutex
	seed maphash.Seed
}

// Open returns the store in dir, which it makes if need be. Bytes of uploads
// that nobody finished before a crash stay until Sweep.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open blob folder: %w", err)
	}
	s := &Store{
		objects: folders{root: filepath.Join(dir, "objects"), known: map[string]bool{}},
		uploads: filepath.Join(dir, "uploads"),
		busy:    names{held: map[string]bool{}},
		buffers: sync.Pool{New: func() any { return new([bufferSize]byte) }},
		seed:    maphash.MakeSeed(),
	}
	for _, d := range []string{s.objects.root, s.uploads} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return nil, fmt.Errorf("open blob folder: %w", err)
		}
	}
	if err := errors.Join(syncFolder(dir), syncFolder(filepath.Dir(dir))); err != nil {
		return nil, fmt.Errorf("open blob folder: %w", err)
	}
	return s, nil
}

// objectPath maps a key to its file. The caller keeps to the port's alphabet,
// which has no dot; that is checked nonetheless, because here a mistake would
// reach files that are not ours.
//
// A file name holds 255 bytes, a key's segment up to 512: longer ones are cut
// into folders that end in a plus sign, which no key has.
func (s *Store) objectPath(key string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	path := s.objects.root
	for segment := range strings.SplitSeq(key, "/") {
		for len(segment) > 200 {
			path = filepath.Join(path, segment[:200]+"+")
			segment = segment[200:]
		}
		path = filepath.Join(path, segment)
	}
	return path, nil
}

func checkKey(key string) error {
	alien := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '/')
	}
	if !fs.ValidPath(key) || len(key) > 512 || strings.ContainsFunc(key, alien) {
		return fmt.Errorf("key %q is not one of a blob", key)
	}
	return nil
}

// uploadPrefix begins the names of all files that belong to uploads of a key.
// It is a hash, since a key can be longer than a file name and has slashes.
func uploadPrefix(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16]) + "."
}

// uploadPath is the file of an upload that holds something.
func (s *Store) uploadPath(u blobs.Upload) (string, error) {
	name := string(u.State)
	if len(name) != 32 || strings.Trim(name, "0123456789abcdef") != "" {
		return "", fmt.Errorf("upload state %q is not of this store: %w", name, blobs.ErrUploadLost)
	}
	return filepath.Join(s.uploads, uploadPrefix(u.Key)+name), nil
}

// create makes a new upload file of the key, with a name that none ever had.
func (s *Store) create(key string) (f *os.File, name string, err error) {
	var random [16]byte
	rand.Read(random[:]) // never fails
	name = hex.EncodeToString(random[:])
	path := filepath.Join(s.uploads, uploadPrefix(key)+name)
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	return f, name, err
}

// lock keeps others from completing or aborting the key, until unlock.
func (s *Store) lock(key string) (unlock func()) {
	mu := &s.keys[maphash.String(s.seed, key)%uint64(len(s.keys))]
	mu.Lock()
	return mu.Unlock
}
