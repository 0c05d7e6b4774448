package blobstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

// What S3 allows.
const (
	minPart   = 5 << 20
	maxPart   = 5 << 30 // also of one PUT, and of one copy
	maxParts  = 10_000
	pageParts = 1000
)

// mark is what an object is tagged with until it is kept. infra/state.yaml
// knows it too.
var mark = map[string]string{"berth": "unverified"}

// parted is an upload in parts.
type parted struct {
	key   string
	made  time.Time
	parts map[int]piece
}

// tagOf is what the store calls a part. Like an ETag it says nothing of what it
// is made from, but is the same for the same bytes.
func tagOf(p piece) string { return fmt.Sprintf("tag-%x", p.sum[:8]) }

// BeginParts implements blobs.Direct.
func (m *Memory) BeginParts(ctx context.Context, key string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("begin parts: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.newID("upload")
	m.uploads[id] = &parted{key, m.o.Now(), map[int]piece{}}
	return id, nil
}

// PartURL implements blobs.Direct.
func (m *Memory) PartURL(_ context.Context, key, id string, p blobs.Part, valid time.Duration) (string, http.Header, error) {
	if p.Number < 1 || p.Number > maxParts {
		return "", nil, fmt.Errorf("sign part url: there is no part %d", p.Number)
	}
	return m.grant("sign part url", grant{method: http.MethodPut, key: key, upload: id, number: p.Number}, p.Size, p.SHA256, valid)
}

// MarkedURL implements blobs.Direct.
func (m *Memory) MarkedURL(_ context.Context, key string, size int64, sum []byte, valid time.Duration) (string, http.Header, error) {
	return m.grant("sign marked url", grant{method: http.MethodPut, key: key, tags: mark}, size, sum, valid)
}

// WriteURL implements blobs.Locator.
func (m *Memory) WriteURL(_ context.Context, key string, size int64, sum []byte, valid time.Duration) (string, http.Header, error) {
	return m.grant("sign write url", grant{method: http.MethodPut, key: key}, size, sum, valid)
}

// Parts implements blobs.Direct.
func (m *Memory) Parts(ctx context.Context, key, id string, after int) ([]blobs.Part, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, fmt.Errorf("list parts: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	up, err := m.upload(key, id)
	if err != nil {
		return nil, false, fmt.Errorf("list parts: %w", err)
	}
	var parts []blobs.Part
	for _, number := range slices.Sorted(maps.Keys(up.parts)) {
		if number <= after {
			continue
		}
		if len(parts) == pageParts {
			return parts, true, nil
		}
		p := up.parts[number]
		parts = append(parts, blobs.Part{Number: number, Size: p.size, SHA256: p.sum[:], Tag: tagOf(p)})
	}
	return parts, false, nil
}

// upload returns one that is there. The caller holds the lock.
func (m *Memory) upload(key, id string) (*parted, error) {
	up, ok := m.uploads[id]
	if !ok || up.key != key {
		return nil, blobs.ErrUploadLost
	}
	return up, nil
}

// Join implements blobs.Direct.
func (m *Memory) Join(ctx context.Context, key, id string, parts []blobs.Part) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("join parts: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	of := composite(parts)
	if there, ok := m.objects[key]; ok && there.of == of {
		return nil
	} else if ok {
		return fmt.Errorf("join parts: other parts were joined: %w", blobs.ErrUploadLost)
	}
	up, err := m.upload(key, id)
	if err != nil {
		return fmt.Errorf("join parts: %w", err)
	}
	whole, err := up.join(parts, m.o.MinPart)
	if err != nil {
		return fmt.Errorf("join parts (%w): %w", err, blobs.ErrUploadLost)
	}
	// Its age is that of the upload, as with S3.
	m.objects[key] = &object{content: whole, of: of, made: up.made, tags: maps.Clone(mark)}
	delete(m.uploads, id)
	return nil
}

// join puts parts together if they are those that are there.
func (up *parted) join(parts []blobs.Part, least int64) (content, error) {
	if len(parts) == 0 {
		return content{}, errors.New("there are none")
	}
	pieces, last := make([]piece, 0, len(parts)), 0
	for i, want := range parts {
		got, ok := up.parts[want.Number]
		switch {
		case want.Number <= last:
			return content{}, errors.New("they are not in order")
		case !ok, tagOf(got) != want.Tag, got.size != want.Size, !bytes.Equal(got.sum[:], want.SHA256):
			return content{}, fmt.Errorf("part %d is another", want.Number)
		case i < len(parts)-1 && got.size < least:
			return content{}, fmt.Errorf("part %d is too small", want.Number)
		}
		pieces, last = append(pieces, got), want.Number
	}
	return contentOf(pieces...), nil
}

// composite is the checksum of an object that is made of parts: that of their
// checksums, and their number. The sizes stand beside it.
func composite(parts []blobs.Part) string {
	h, size := sha256.New(), int64(0)
	for _, p := range parts {
		h.Write(p.SHA256)
		size += p.Size
	}
	return fmt.Sprintf("parts %x-%d of %d", h.Sum(nil), len(parts), size)
}

// Stat implements blobs.Direct.
func (m *Memory) Stat(ctx context.Context, key string) (int64, []byte, error) {
	o, err := m.object(ctx, key)
	if err != nil {
		return 0, nil, fmt.Errorf("look at object: %w", err)
	}
	return o.content.size, bytes.Clone(o.sum), nil
}

// Sum implements blobs.Direct.
func (m *Memory) Sum(ctx context.Context, key string, size int64) ([]byte, error) {
	o, err := m.object(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("sum object: %w", err)
	}
	if max(size, o.content.size) > m.o.MaxSum || o.content.isHollow() {
		return nil, fmt.Errorf("sum object: %w", blobs.ErrNoSum)
	}
	h := sha256.New()
	o.content.writeTo(h)
	return h.Sum(nil), nil
}

// ReadAt implements blobs.Direct.
func (m *Memory) ReadAt(ctx context.Context, key string, p []byte, offset int64) error {
	o, err := m.object(ctx, key)
	if err != nil {
		return fmt.Errorf("read object: %w", err)
	}
	if n, err := o.content.ReadAt(p, offset); n < len(p) {
		return fmt.Errorf("read %d bytes of an object at %d: %w", len(p), offset, err)
	}
	return nil
}

// Keep implements blobs.Direct. An object that a broom may be at already is
// not kept.
func (m *Memory) Keep(ctx context.Context, key string) error {
	o, err := m.object(ctx, key)
	if err != nil {
		return fmt.Errorf("keep object: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if age := m.o.Now().Sub(o.made); o.tags != nil && age > blobs.UploadLife {
		return fmt.Errorf("keep object: it is %v old, and may be gone any time", age)
	}
	o.tags = nil
	return nil
}

// Marked returns the keys of objects that are not kept, in order.
func (m *Memory) Marked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for key, o := range m.objects {
		if o.tags != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Keys returns the keys of all objects, in order.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

// Uploads returns the keys of uploads in parts that are neither joined nor
// aborted, in order, each as often as it has one.
func (m *Memory) Uploads() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for _, up := range m.uploads {
		keys = append(keys, up.key)
	}
	slices.Sort(keys)
	return keys
}
