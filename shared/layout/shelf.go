package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// Where a folder has what is not whole: a folder of its own, since tools that
// check image layouts look at each file among the blobs.
const partialFolder = ".partial"

// shelf is the store of a folder:
//
//	oci-layout                  says what the folder is, and is the lock of index.json
//	index.json                  says what is in it
//	blobs/<algorithm>/<hex>     a blob, whole
//	.partial/<algorithm>-<hex>  a blob on its way, locked by who writes it
//
// Several processes may write to it. One that does not know of the lock, as
// other tools do not, can lose entries of index.json, and ours its own.
//
// Blobs are not synced: disks are slower than networks, and a process that is
// killed loses nothing. A power cut may leave index.json naming blobs of the
// last seconds that are short, or gone: the next attempt finds that and brings
// them again.
type shelf struct{ root *os.Root }

// checkFolder says whether a folder is an image layout, or may become one.
func checkFolder(name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close() // it is only read
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return nil
	}
	raw, err := readDocument(context.Background(), &folder{root: root}, layoutFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it is there, and is neither empty nor an image layout: no %s in it", layoutFile)
	}
	if err != nil || len(raw) == 0 { // who made it was killed at once
		return err
	}
	return parseVersion(raw)
}

// createFolder makes what all blobs need. A crash in it leaves folders without
// an index.json, which is no image layout but may become one.
func createFolder(ctx context.Context, name string, all []oci.Descriptor) (*shelf, error) {
	if err := os.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	s := &shelf{root: root}
	if err := s.create(ctx, all); err != nil {
		root.Close() // the error says more
		return nil, err
	}
	return s, nil
}

func (s *shelf) create(ctx context.Context, all []oci.Descriptor) error {
	f, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer f.Close() // what counts is there
	used, wanted := map[string]bool{}, map[string]bool{}
	for _, d := range all {
		used[path.Dir(blobPath(d.Digest))] = true
		wanted[partialName(d.Digest)] = true
	}
	s.sweep(wanted)
	for dir := range used {
		if err := s.root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	return nil
}

// partialName is what a blob on its way is called in its folder.
func partialName(d oci.Digest) string {
	return string(oci.AlgorithmOf(d)) + "-" + d.Encoded()
}

// partialLife is how long a blob that nobody writes stays on its way, as uploads
// do at a registry.
const partialLife = 7 * 24 * time.Hour

// sweep removes what attempts left that nobody came back to, but for what is
// wanted now. What cannot be removed stays.
func (s *shelf) sweep(wanted map[string]bool) {
	left, err := fs.ReadDir(s.root.FS(), partialFolder)
	if err != nil {
		return // most often there is none
	}
	for _, e := range left {
		info, err := e.Info()
		algorithm, hash, _ := strings.Cut(e.Name(), "-")
		if _, alien := oci.ParseDigest(algorithm + ":" + hash); alien != nil || err != nil || wanted[e.Name()] {
			continue
		}
		if info.Mode().IsRegular() && time.Since(info.ModTime()) > partialLife {
			s.removeUnlocked(path.Join(partialFolder, e.Name()))
		}
	}
}

// removeUnlocked removes a file that nobody else holds.
func (s *shelf) removeUnlocked(name string) {
	f, err := openLocked(context.Background(), s.root, name, lockNow)
	if err != nil {
		return
	}
	defer f.Close() // and with it the lock
	_ = s.root.Remove(name)
}

// lock waits for oci-layout, and writes it if nobody has.
func (s *shelf) lock(ctx context.Context) (*os.File, error) {
	f, err := openLocked(ctx, s.root, layoutFile, wait)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		_, err = f.WriteString(layoutContent)
		err = errors.Join(err, f.Sync())
	}
	if err != nil {
		f.Close() // the error says more
		return nil, err
	}
	return f, nil
}

// layoutContent is all of an oci-layout.
const layoutContent = `{"imageLayoutVersion":"1.0.0"}`

// has takes no file for a blob that has its size, but is not all written: ext4
// shows such a one after a power cut. It is hashed first.
func (s *shelf) has(d oci.Descriptor) bool {
	if !s.holds(d) {
		return false
	}
	f, err := s.root.Open(blobPath(d.Digest))
	if err != nil {
		return false
	}
	defer f.Close() // nothing was written
	return d.Size == 0 || !hasHole(f, d.Size)
}

// holds says whether there is a file of a blob's name and size.
func (s *shelf) holds(d oci.Descriptor) bool {
	info, err := s.root.Stat(blobPath(d.Digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == d.Size
}

func (s *shelf) open(ctx context.Context, d oci.Descriptor) (place, int64, error) {
	b := &box{shelf: s, blob: d, partial: path.Join(partialFolder, partialName(d.Digest))}
	err := b.take(ctx)
	if err != nil {
		return nil, 0, err
	}
	n, err := b.length()
	if err == nil && s.holds(d) { // who had the lock brought it to its end
		b.whole, err = s.root.Open(blobPath(d.Digest))
		n = d.Size
	}
	if err != nil {
		b.file.Close() // the error says more
		return nil, 0, err
	}
	return b, n, nil
}

func (s *shelf) commit(roots []root, _ []byte) error {
	f, err := s.lock(context.Background()) // nobody has it for long
	if err != nil {
		return err
	}
	defer f.Close() // that was all
	// A crash up to here leaves blobs that nothing names, for the next attempt.
	return s.publish(roots)
}

// publish adds to index.json. The caller holds its lock.
func (s *shelf) publish(roots []root) error {
	x := newIndex()
	raw, err := readDocument(context.Background(), &folder{root: s.root}, indexFile)
	if err == nil {
		x, err = parseIndex(raw)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, r := range roots {
		if err := x.set(r); err != nil {
			return err
		}
	}
	if raw, err = x.bytes(); err != nil {
		return err
	}
	return replace(s.root, indexFile, indexFile+".partial", raw)
}

func (s *shelf) close() error {
	// It stays where something in it is not whole, or somebody else writes.
	_ = s.root.Remove(partialFolder)
	return s.root.Close()
}

// box is the place of a blob on a shelf: a file that is renamed in the end. It
// is as long as what is there of the blob.
type box struct {
	shelf   *shelf
	blob    oci.Descriptor
	partial string
	file    *os.File // locked
	whole   *os.File // the blob, if it was there already
	done    bool
}

// take opens the file. Its folder may be removed, empty, by somebody else just
// after it was made; or it is a link to nothing, and then is never there.
func (b *box) take(ctx context.Context) (err error) {
	root := b.shelf.root
	const tries = 100
	for n := 1; ; n++ {
		if err := root.Mkdir(partialFolder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		b.file, err = openLocked(ctx, root, b.partial, wait)
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil || n == tries {
			return err
		}
	}
}

// length returns how much of the blob is there. A file that is too long is not
// of it.
func (b *box) length() (int64, error) {
	info, err := b.file.Stat()
	if err != nil || info.Size() <= b.blob.Size {
		return info.Size(), err
	}
	return 0, b.file.Truncate(0)
}

func (b *box) ReadAt(p []byte, off int64) (int, error) {
	if b.whole != nil {
		return b.whole.ReadAt(p, off)
	}
	return b.file.ReadAt(p, off)
}

func (b *box) WriteAt(p []byte, off int64) (int, error) { return b.file.WriteAt(p, off) }

// reach has nothing to note but a new beginning, also where the blob was there,
// and was damaged.
func (b *box) reach(n int64) error {
	if n > 0 {
		return nil
	}
	return errors.Join(b.forget(), b.file.Truncate(0))
}

func (b *box) forget() error {
	if b.whole == nil {
		return nil
	}
	err := b.whole.Close()
	b.whole = nil
	return err
}

// commit moves the file to its place.
func (b *box) commit() error {
	if b.whole != nil {
		return nil
	}
	// A crash here leaves the file under its old name, with all bytes.
	err := b.shelf.root.Rename(b.partial, blobPath(b.blob.Digest))
	b.done = err == nil
	return err
}

// Close gives up the lock. A file that holds nothing is removed before.
func (b *box) Close() error {
	info, err := b.file.Stat()
	if err == nil && !b.done && (info.Size() == 0 || b.whole != nil) {
		err = b.shelf.root.Remove(b.partial)
	}
	return errors.Join(err, b.forget(), b.file.Close())
}
