package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

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
type shelf struct {
	root *os.Root
	used map[string]bool // folders of blobs
}

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
	raw, err := root.ReadFile(layoutFile)
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
	if err := makeFolder(name); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	s := &shelf{root: root, used: map[string]bool{}}
	if err := s.create(ctx, all); err != nil {
		root.Close() // the error says more
		return nil, err
	}
	return s, nil
}

func makeFolder(name string) error {
	parent, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close() // what counts is synced
	if err := os.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent, ".")
}

func (s *shelf) create(ctx context.Context, all []oci.Descriptor) error {
	f, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer f.Close() // what counts was synced
	for _, d := range all {
		s.used[path.Dir(blobPath(d.Digest))] = true
	}
	for dir := range s.used {
		if err := s.root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	return nil
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

func (s *shelf) has(d oci.Descriptor) bool {
	info, err := s.root.Stat(blobPath(d.Digest))
	return err == nil && info.Mode().IsRegular() && info.Size() == d.Size
}

func (s *shelf) open(ctx context.Context, d oci.Descriptor) (place, int64, error) {
	b := &box{shelf: s, blob: d, partial: path.Join(partialFolder, string(oci.AlgorithmOf(d.Digest))+"-"+d.Digest.Encoded())}
	err := b.take(ctx)
	if err != nil {
		return nil, 0, err
	}
	n, err := b.length()
	if err == nil && s.has(d) { // who had the lock brought it to its end
		b.whole, err = s.root.Open(blobPath(d.Digest))
		n = d.Size
	}
	if err != nil {
		b.file.Close() // the error says more
		return nil, 0, err
	}
	return b, n, nil
}

// commit makes the names of blobs durable before index.json names them.
func (s *shelf) commit(roots []root, _ []byte) error {
	for dir := range s.used {
		if err := errors.Join(syncFolder(s.root, dir), syncFolder(s.root, path.Dir(dir))); err != nil {
			return err
		}
	}
	f, err := s.lock(context.Background()) // nobody has it for long
	if err != nil {
		return err
	}
	defer f.Close() // that was all
	// A crash up to here leaves blobs that nothing names, for the next attempt.
	if err := s.publish(roots); err != nil {
		return err
	}
	return syncFolder(s.root, ".")
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
// after it was made.
func (b *box) take(ctx context.Context) (err error) {
	root := b.shelf.root
	for {
		if err := root.Mkdir(partialFolder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		b.file, err = openLocked(ctx, root, b.partial, wait)
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
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

func (b *box) WriteAt(p []byte, off int64) (int, error) { return writeAt(b.file, p, off) }

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

// commit moves the file to its place when all of it is on the disk. Its new name
// is made durable at the shelf's own commit.
func (b *box) commit() error {
	if b.whole != nil {
		return nil
	}
	if err := b.file.Sync(); err != nil {
		return err
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
