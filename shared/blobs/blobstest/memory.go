package blobstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

// Memory is a store in memory to which clients can send bytes themselves, for
// tests of what stands above a store. It is as strict as S3 where that can be
// told from outside: what a URL was signed for is what it takes, parts have
// their sizes and numbers, and what is gone is gone. Its zero value is not one:
// NewMemory.
//
// It is stricter in one thing, so that a test notices: an object is not kept
// that has been marked for longer than blobs.UploadLife.
type Memory struct {
	o MemoryOptions

	mu      sync.Mutex
	objects map[string]*object
	states  map[string]*appended
	uploads map[string]*parted
	grants  map[string]grant
	ids     int // how many ids were given
}

// MemoryOptions say how a Memory works. The zero value is like S3.
type MemoryOptions struct {
	// Now tells the time by which URLs expire and a broom sweeps: time.Now if nil.
	Now func() time.Time
	// MinPart is the size that every part but the last must have: 5 MiB if zero.
	// Tests that are about little say less.
	MinPart int64
	// MaxSum is the size of the largest object whose Sum is told: 5 GiB if
	// zero, none if negative. That of one that SendHollow has had a hand in is
	// not told.
	MaxSum int64
	// Base is where URLs point to, without a slash at the end. Send does not
	// mind what it is; for others the Memory must be the handler of a server there.
	Base string
}

var (
	_ blobs.Store  = (*Memory)(nil)
	_ blobs.Direct = (*Memory)(nil)
)

// An object is one that is there.
type object struct {
	content content
	sum     []byte            // SHA-256, nil if it was not checked on the way in
	of      string            // what it was made of: tells whether it was made already
	made    time.Time         // of an upload in parts, when that began
	tags    map[string]string // nil once it is kept
}

// appended is what a state of an upload stands for. It never changes, so that
// all futures of a state are apart.
type appended struct {
	key     string
	content content
	made    time.Time
}

// NewMemory returns an empty store.
func NewMemory(o MemoryOptions) *Memory {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MinPart == 0 {
		o.MinPart = minPart
	}
	if o.MaxSum == 0 {
		o.MaxSum = maxPart
	}
	if o.Base == "" {
		o.Base = "http://memory.invalid"
	}
	return &Memory{
		o:       o,
		objects: map[string]*object{},
		states:  map[string]*appended{},
		uploads: map[string]*parted{},
		grants:  map[string]grant{},
	}
}

// newID returns an id that was not given before. The caller holds the lock.
func (m *Memory) newID(kind string) string {
	m.ids++
	return fmt.Sprintf("%s-%d", kind, m.ids)
}

// object returns one that is there.
func (m *Memory) object(ctx context.Context, key string) (*object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return nil, blobs.ErrAbsent
	}
	return o, nil
}

// Open implements blobs.Store. A size that is not the object's is an error.
func (m *Memory) Open(ctx context.Context, key string, size int64) (io.ReadSeekCloser, error) {
	o, err := m.object(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	if o.content.size != size {
		return nil, fmt.Errorf("open object: it has %d bytes, not %d", o.content.size, size)
	}
	return o.content.open(ctx), nil
}

// Put implements blobs.Store. Other bytes than those of the key are refused.
func (m *Memory) Put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	p := filled(bytes.Clone(body))
	m.mu.Lock()
	defer m.mu.Unlock()
	if there, ok := m.objects[key]; ok {
		if !bytes.Equal(there.sum, p.sum[:]) {
			return errors.New("put object: key holds another object")
		}
		return nil
	}
	m.objects[key] = &object{content: contentOf(p), sum: p.sum[:], of: "put", made: m.o.Now()}
	return nil
}

// Append implements blobs.Store. Whatever r gives before it fails is held.
func (m *Memory) Append(ctx context.Context, u blobs.Upload, r io.Reader) (blobs.Upload, error) {
	before, err := m.state(u)
	if err != nil {
		return u, fmt.Errorf("append to upload: %w", err)
	}
	var more bytes.Buffer
	_, err = more.ReadFrom(during{ctx, r})
	if err != nil {
		err = fmt.Errorf("append to upload: %w", err)
	}
	if more.Len() == 0 {
		return u, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.newID("state")
	m.states[id] = &appended{u.Key, before.with(filled(more.Bytes())), m.o.Now()}
	return blobs.Upload{Key: u.Key, Size: m.states[id].content.size, State: []byte(id)}, err
}

// during reads until its context ends.
type during struct {
	ctx context.Context
	r   io.Reader
}

func (d during) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.r.Read(p)
}

// state returns what an upload holds.
func (m *Memory) state(u blobs.Upload) (content, error) {
	if u.Size == 0 && len(u.State) == 0 {
		return content{}, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	st, ok := m.states[string(u.State)]
	if !ok || st.key != u.Key || st.content.size != u.Size {
		return content{}, blobs.ErrUploadLost
	}
	return st.content, nil
}

// Complete implements blobs.Store.
func (m *Memory) Complete(ctx context.Context, u blobs.Upload) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	whole, err := m.state(u)
	m.mu.Lock()
	defer m.mu.Unlock()
	of := "state " + string(u.State)
	if there, ok := m.objects[u.Key]; ok && there.of == of {
		return nil
	} else if ok {
		err = blobs.ErrUploadLost
	}
	if err != nil {
		return fmt.Errorf("complete upload: %w", err)
	}
	m.objects[u.Key] = &object{content: whole, of: of, made: m.o.Now()}
	m.forget(u.Key)
	return nil
}

// forget drops the states of a key. The caller holds the lock.
func (m *Memory) forget(key string) {
	for id, st := range m.states {
		if st.key == key {
			delete(m.states, id)
		}
	}
}

// Abort implements blobs.Store.
func (m *Memory) Abort(ctx context.Context, u blobs.Upload) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("abort upload: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(u.Key)
	for id, up := range m.uploads {
		if up.key == u.Key {
			delete(m.uploads, id)
		}
	}
	delete(m.objects, u.Key)
	return nil
}

// Delete implements blobs.Store.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}
