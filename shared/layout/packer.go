package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/berthregistry/berth/shared/oci"
)

// packer is the store of an archive. Blobs are written side by side, each to its
// place, into
//
//	FILE.partial          the archive, without headers until its end: no tar yet
//	FILE.partial.journal  how far each blob is
//
// and then the first of them is renamed to FILE. It is locked by who writes it.
//
// Neither is synced, as in a folder: a kill cannot part the journal from the
// bytes, and what a power cut does to them is found when they are hashed again.
type packer struct {
	root    *os.Root // of the folder
	name    string
	file    *os.File
	journal *os.File
	plan    *plan

	mu    sync.Mutex
	slots []progress
	done  bool // renamed
}

// progress is how far a blob is.
type progress struct {
	far   int64
	busy  bool // somebody writes it
	whole bool // and its bytes are right
}

func (p *packer) partial() string     { return p.name + ".partial" }
func (p *packer) journalName() string { return p.name + ".partial.journal" }

func createArchive(path string, all []oci.Descriptor) (*packer, error) {
	plan, err := newPlan(all)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	p := &packer{root: root, name: filepath.Base(path), plan: plan, slots: make([]progress, len(plan.slots))}
	if err := p.begin(); err != nil {
		return nil, errors.Join(err, p.closeFiles())
	}
	return p, nil
}

// begin goes on with what is there, if it is for the same blobs, and else begins
// anew.
func (p *packer) begin() (err error) {
	if p.file, err = openLocked(context.Background(), p.root, p.partial(), lockNow); err != nil {
		return err
	}
	if p.journal, err = p.root.OpenFile(p.journalName(), os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	fresh := p.plan.journal()
	noted := make([]byte, len(fresh)+1) // to tell a longer one
	n, err := p.journal.ReadAt(noted, 0)
	if err != nil && err != io.EOF {
		return err
	}
	// Without the file its journal counts for nothing: it is of an archive that was
	// renamed just before a crash.
	if far, ok := p.plan.resume(noted[:n]); ok && info.Size() >= p.plan.end {
		for i := range far {
			p.slots[i].far = far[i]
		}
		return nil
	}
	return p.restart(fresh)
}

// restart makes both files empty. A crash between the steps leaves a file that
// is too short for any journal to count.
func (p *packer) restart(journal []byte) error {
	if err := errors.Join(p.file.Truncate(0), p.journal.Truncate(0)); err != nil {
		return err
	}
	if _, err := p.journal.WriteAt(journal, 0); err != nil {
		return err
	}
	return p.file.Truncate(p.plan.end)
}

// lockNow does not wait: another process is making the same archive.
func lockNow(_ context.Context, f *os.File) error {
	ok, err := tryLock(f)
	if err == nil && !ok {
		err = fmt.Errorf("%s is being written by another process", f.Name())
	}
	return err
}

func (p *packer) slot(d oci.Descriptor) (int, error) {
	i, ok := p.plan.at[d.Digest]
	if !ok || p.plan.slots[i].size != d.Size {
		return 0, fmt.Errorf("%s, of %d bytes, has no place: Prepare was not told of it", d.Digest, d.Size)
	}
	return i, nil
}

func (p *packer) has(d oci.Descriptor) bool {
	i, err := p.slot(d)
	p.mu.Lock()
	defer p.mu.Unlock()
	return err == nil && p.slots[i].whole
}

func (p *packer) open(_ context.Context, d oci.Descriptor) (place, int64, error) {
	i, err := p.slot(d)
	if err != nil {
		return nil, 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slots[i].busy {
		return nil, 0, errors.New("it is being written already")
	}
	p.slots[i].busy = true
	return &room{packer: p, slot: p.plan.slots[i], progress: &p.slots[i]}, p.slots[i].far, nil
}

// commit writes what makes a tar of the file, and gives it its name.
func (p *packer) commit(roots []root, saved []byte) error {
	if p.done {
		return errors.New("it was finished already")
	}
	end, err := p.tail(roots, saved)
	if err != nil {
		return err
	}
	for i, s := range p.plan.slots {
		if !p.slots[i].whole {
			return fmt.Errorf("%s is missing", s.digest)
		}
		if _, err := p.file.WriteAt(s.header, s.start); err != nil {
			return err
		}
	}
	if _, err := p.file.WriteAt(end, p.plan.end); err != nil {
		return err
	}
	// What an attempt wrote behind it that failed at this step.
	if err := p.file.Truncate(p.plan.end + int64(len(end))); err != nil {
		return err
	}
	// A crash up to here leaves both files, and the next attempt comes by the same
	// way to here.
	return p.publish()
}

func (p *packer) publish() error {
	if err := p.root.Rename(p.partial(), p.name); err != nil {
		return err
	}
	p.done = true
	// A crash here leaves the archive, and a journal without a file.
	if err := p.root.Remove(p.journalName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tail returns what follows the blobs, in the order of names, as they are.
func (p *packer) tail(roots []root, saved []byte) ([]byte, error) {
	x := newIndex()
	for _, r := range roots {
		if err := x.set(r); err != nil {
			return nil, err
		}
	}
	raw, err := x.bytes()
	if err != nil {
		return nil, err
	}
	files := []namedFile{{indexFile, raw}}
	if saved != nil {
		files = append(files, namedFile{savedFile, saved})
	}
	return tail(append(files, namedFile{layoutFile, []byte(layoutContent)}))
}

// close removes what no attempt would go on with: nothing has arrived.
func (p *packer) close() error {
	var err error
	if !p.done && !p.arrived() {
		err = errors.Join(p.root.Remove(p.partial()), p.root.Remove(p.journalName()))
	}
	return errors.Join(err, p.closeFiles())
}

func (p *packer) arrived() bool {
	for _, s := range p.slots {
		if s.far > 0 {
			return true
		}
	}
	return false
}

func (p *packer) closeFiles() error {
	var errs []error
	if p.journal != nil {
		errs = append(errs, p.journal.Close())
	}
	if p.file != nil {
		errs = append(errs, p.file.Close())
	}
	return errors.Join(append(errs, p.root.Close())...)
}

// room is the place of a blob in an archive.
type room struct {
	packer   *packer
	slot     slot
	progress *progress
}

func (r *room) ReadAt(b []byte, off int64) (int, error) {
	return r.packer.file.ReadAt(b, r.slot.body()+off)
}

func (r *room) WriteAt(b []byte, off int64) (int, error) {
	return r.packer.file.WriteAt(b, r.slot.body()+off)
}

func (r *room) reach(n int64) error {
	r.packer.mu.Lock()
	r.progress.far, r.progress.whole = n, false
	r.packer.mu.Unlock()
	_, err := r.packer.journal.WriteAt([]byte(journalNumber(n)), r.slot.line)
	return err
}

func (r *room) commit() error {
	r.packer.mu.Lock()
	defer r.packer.mu.Unlock()
	r.progress.whole = true
	return nil
}

func (r *room) Close() error {
	r.packer.mu.Lock()
	defer r.packer.mu.Unlock()
	r.progress.busy = false
	return nil
}
