// Package layout keeps images in files: in the folder or the tar of an OCI
// image layout (image-spec, "OCI Image Layout"), and in the archives of `docker
// save`.
//
// What is read may come from anybody. Nothing is unpacked, no link is followed
// out of a folder or an archive, and all that is read into memory is bounded.
package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/berthregistry/berth/shared/oci"
	"oras.land/oras-go/v2/errdef"
)

// A Format is how images are laid out in files.
type Format int

// The formats.
const (
	Folder        Format = iota + 1 // an OCI image layout
	OCIArchive                      // the same in a tar
	DockerArchive                   // the same, and what `docker load` looks for in one
)

// The names of an image layout (image-spec, "OCI Image Layout").
const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"
	savedFile  = "manifest.json" // of `docker save`
)

// maxDocument is the largest JSON document read: an index.json, a manifest, a
// config. Clients and registries take 4 MiB of a manifest.
const maxDocument = 8 << 20

// An Image is what a folder or an archive holds: often more than one image. It
// may be used by several goroutines at once.
type Image struct {
	path  string
	files tree
	// read finds out what there is, where that takes more than a glance.
	read func(ctx context.Context) (*contents, error)

	mu        sync.Mutex
	known     *contents
	referrers map[oci.Digest][]oci.Descriptor // by subject; nil until somebody asks
}

// contents is what there is in an image layout.
type contents struct {
	entries []entry
	// What an archive of docker save has not: the manifests, and names of blobs
	// that are their digests.
	made map[oci.Digest][]byte
	at   map[oci.Digest]string
}

// Open opens an OCI image layout, be it a folder or a tar, or an archive of
// `docker save`. Which it is, is found by looking inside.
func Open(path string) (*Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	var files tree
	switch {
	case info.IsDir():
		files, err = openFolder(path)
	case info.Mode().IsRegular():
		files, err = openArchive(path)
	default:
		err = errors.New("it is neither a folder nor a file, and an archive is not read in one stream")
	}
	if err != nil {
		return nil, fmt.Errorf("open image %s: %w", path, err)
	}
	i := &Image{path: path, files: files}
	if err := i.recognise(); err != nil {
		files.Close() // it was only read
		return nil, fmt.Errorf("open image %s: %w", path, err)
	}
	return i, nil
}

// recognise finds out which form it has. Docker's archives since version 25
// are image layouts as well, and say more as such.
func (i *Image) recognise() error {
	ctx := context.Background() // a few small files
	err := checkVersion(ctx, i.files)
	if err == nil {
		i.known, err = readIndex(ctx, i.files)
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a, ok := i.files.(*archive)
	if !ok {
		return errors.New("it is no OCI image layout: no oci-layout in it")
	}
	i.read = func(ctx context.Context) (*contents, error) { return convert(ctx, a) }
	return a.isSaved()
}

// look returns what there is.
func (i *Image) look(ctx context.Context) (*contents, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil {
		known, err := i.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", i.path, err)
		}
		i.known = known
	}
	return i.known, nil
}

// Close ends the use of the files. Sources that are open can no more be read.
func (i *Image) Close() error {
	if err := i.files.Close(); err != nil {
		return fmt.Errorf("close image %s: %w", i.path, err)
	}
	return nil
}

// A tree is files under slash paths. It may be used by several goroutines at
// once.
type tree interface {
	// open opens a regular file. Errors: fs.ErrNotExist.
	open(ctx context.Context, name string) (*file, error)
	io.Closer
}

// A file is bytes that can be read from anywhere.
type file struct {
	io.ReaderAt
	io.Closer
	size int64
}

// readDocument reads a small file whole.
func readDocument(ctx context.Context, files tree, name string) ([]byte, error) {
	f, err := files.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.size > maxDocument {
		return nil, fmt.Errorf("%s has %d bytes, more than %d are not read: %w", name, f.size, maxDocument, errdef.ErrSizeExceedsLimit)
	}
	raw := make([]byte, f.size)
	if err := f.full(raw, 0); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return raw, nil
}

// full fills p with the bytes from off on.
func (f *file) full(p []byte, off int64) error {
	if off < 0 || off > f.size || int64(len(p)) > f.size-off {
		return fmt.Errorf("%d bytes at %d are not all within its %d", len(p), off, f.size)
	}
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF: // it was longer when it was opened
		return io.ErrUnexpectedEOF
	}
	return err
}
