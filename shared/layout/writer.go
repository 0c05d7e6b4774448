package layout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A Writer puts images into a folder or an archive. Its methods may be called
// by several goroutines at once, but for Create, SetName, Prepare, Commit and
// Close.
//
// A disk without room is an error that wraps syscall.ENOSPC and names the path.
// Then, and after a cut or a kill, what has arrived stays beside the path for
// the next Writer of the same format, path and content: in FOLDER/.partial, or
// in FILE.partial and FILE.partial.journal. Nobody takes that for an image.
type Writer struct {
	path   string
	format Format
	name   string
	to     store // nil before Prepare

	mu  sync.Mutex
	put map[oci.Digest]*published
}

// store is where a Writer has its blobs.
type store interface {
	has(d oci.Descriptor) bool
	// open opens the place of a blob, and says how many bytes are there. It locks
	// out others who write the same one.
	open(ctx context.Context, d oci.Descriptor) (place, int64, error)
	// commit puts in place what names the blobs. saved is a manifest.json, or nil.
	commit(roots []root, saved []byte) error
	close() error
}

// published is a manifest that was put.
type published struct {
	descriptor oci.Descriptor
	children   []oci.Child
	tags       []string
	image      *saved // for docker load, if it is an image
}

// Create begins to write images at path. A folder that is an image layout
// already is added to; an archive that is there is replaced when the new one is
// whole. Nothing is written before Prepare.
func Create(path string, format Format) (*Writer, error) {
	if format != Folder && format != OCIArchive && format != DockerArchive {
		return nil, fmt.Errorf("create %s: format %d is not known", path, format)
	}
	path = filepath.Clean(path) // what is made beside it is not made in it
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		_, err = os.Stat(filepath.Dir(path))
	case err != nil:
	case format == Folder:
		err = checkFolder(path)
	case !info.Mode().IsRegular():
		err = errors.New("it is there, and not a file")
	}
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &Writer{path: path, format: format, put: map[oci.Digest]*published{}}, nil
}

// SetName says by what name, such as registry.example.com/team/app, those who
// load an archive shall know its images. A docker-archive needs it: `docker load`
// knows no tag without a name. It is called before Prepare.
func (w *Writer) SetName(repository string) error {
	if err := checkName(repository); err != nil {
		return fmt.Errorf("name images: %w", err)
	}
	w.name = repository
	return nil
}

// checkName takes a repository with or without the host before it.
func checkName(name string) error {
	host, rest, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		rest = name
	}
	alien := func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]", c)
	}
	if !oci.ValidName(rest) || rest != name && (len(host) > 260 || host[0] == '.' || strings.ContainsFunc(host, alien)) {
		return fmt.Errorf("%q is not the name of a repository", oci.Clip(name))
	}
	return nil
}

// Prepare says which blobs and manifests will come: all of them, each with its
// size. It is called once, before Has, Sink and PutManifest.
func (w *Writer) Prepare(ctx context.Context, all []oci.Descriptor) error {
	to, err := w.open(ctx, all)
	if err != nil {
		return fmt.Errorf("write images to %s: %w", w.path, full(w.path, err))
	}
	w.to = to
	return nil
}

// open opens the store of the format. With an error there is nothing to close.
func (w *Writer) open(ctx context.Context, all []oci.Descriptor) (store, error) {
	if err := checkAll(all); err != nil {
		return nil, err
	}
	if w.format == Folder {
		return createFolder(ctx, w.path, all)
	}
	if w.format == DockerArchive && w.name == "" {
		return nil, errors.New("a docker-archive needs a name for its images")
	}
	return createArchive(w.path, all)
}

// checkAll also refuses sizes of which only one can be right.
func checkAll(all []oci.Descriptor) error {
	sizes := map[oci.Digest]int64{}
	for _, d := range all {
		if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
			return err
		}
		size, twice := sizes[d.Digest]
		if d.Size < 0 || twice && size != d.Size {
			return fmt.Errorf("%s cannot have a size of %d", d.Digest, d.Size)
		}
		sizes[d.Digest] = d.Size
	}
	return nil
}

// Has says whether a blob or manifest is there, whole. Its bytes are not read:
// it got its place when they were verified. What an earlier attempt left in an
// archive is not told here but by Prefix, and so hashed again.
func (w *Writer) Has(d oci.Descriptor) bool { return w.to.has(d) }

// Sink takes a blob, and goes on where an earlier attempt ended. In a folder it
// waits while another process writes the same blob, and then finds it in its
// Prefix. Whoever has it closes it before he asks for the same one again.
func (w *Writer) Sink(ctx context.Context, d oci.Descriptor) (transfer.Sink, error) {
	r, at, err := w.to.open(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("write %s to %s: %w", d.Digest, w.path, full(w.path, err))
	}
	return &sink{to: r, path: w.path, blob: d, at: at}, nil
}

// PutManifest puts a manifest, whose children are there, and points tags at it.
// Others see it after Commit.
func (w *Writer) PutManifest(ctx context.Context, d oci.Descriptor, raw []byte, tags []string) error {
	p, err := w.check(d, raw, tags)
	if err == nil && !w.Has(d) {
		err = w.write(ctx, d, raw)
	}
	if err != nil {
		return fmt.Errorf("put manifest %s: %w", d.Digest, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, ok := w.put[d.Digest]; ok {
		p.tags = append(p.tags, before.tags...)
	}
	slices.Sort(p.tags)
	p.tags = slices.Compact(p.tags)
	w.put[d.Digest] = p
	return nil
}

func (w *Writer) check(d oci.Descriptor, raw []byte, tags []string) (*published, error) {
	if int64(len(raw)) != d.Size || oci.AlgorithmOf(d.Digest).Sum(raw) != d.Digest {
		return nil, errors.New("its bytes are others")
	}
	m, err := oci.ParseManifest(d.MediaType, raw)
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		if !oci.ValidTag(tag) {
			return nil, fmt.Errorf("%q is not a tag", oci.Clip(tag))
		}
	}
	p := &published{
		descriptor: oci.Descriptor{MediaType: m.MediaType, Digest: d.Digest, Size: d.Size},
		children:   m.Children,
		tags:       slices.Clone(tags),
	}
	if w.format == DockerArchive {
		p.image, err = loadable(m.MediaType, raw)
	}
	return p, err
}

// write has the manifest come to its place as blobs do.
func (w *Writer) write(ctx context.Context, d oci.Descriptor, raw []byte) error {
	s, err := w.Sink(ctx, d)
	if err != nil {
		return err
	}
	if err = s.Reset(); err == nil {
		_, err = s.Write(raw)
	}
	if err == nil {
		err = s.Commit()
	}
	return errors.Join(err, s.Close())
}

// Commit makes what was put visible. An archive has it once, at the
// end, when all that Prepare was told is there; a folder as often as one likes.
func (w *Writer) Commit() error {
	roots := w.roots()
	var docker []byte
	var err error
	if w.format == DockerArchive {
		docker, err = w.saved(roots)
	}
	if err == nil {
		err = w.to.commit(roots, docker)
	}
	if err != nil {
		return fmt.Errorf("finish %s: %w", w.path, full(w.path, err))
	}
	return nil
}

// roots are what an index.json names: manifests with tags, once for each, and
// those that no other one lists. The order is always the same.
func (w *Writer) roots() []root {
	listed := map[oci.Digest]bool{}
	for _, p := range w.put {
		for _, c := range p.children {
			listed[c.Digest] = true
		}
	}
	var roots []root
	for _, p := range w.put {
		for _, tag := range p.tags {
			roots = append(roots, root{descriptor: p.descriptor, tag: tag, name: w.fullName(tag)})
		}
		if len(p.tags) == 0 && !listed[p.descriptor.Digest] {
			roots = append(roots, root{descriptor: p.descriptor})
		}
	}
	slices.SortFunc(roots, compareRoots)
	return roots
}

// compareRoots puts tags first: some readers take the first entry they find.
func compareRoots(a, b root) int {
	switch {
	case a.tag != "" && b.tag == "":
		return -1
	case a.tag == "" && b.tag != "":
		return 1
	}
	return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.descriptor.Digest, b.descriptor.Digest))
}

// fullName is "" for images without one.
func (w *Writer) fullName(tag string) string {
	if w.name == "" {
		return ""
	}
	return w.name + ":" + tag
}

// Close ends the writing. What was not committed stays for the next attempt.
func (w *Writer) Close() error {
	if w.to == nil {
		return nil
	}
	if err := w.to.close(); err != nil {
		return fmt.Errorf("close %s: %w", w.path, err)
	}
	return nil
}
