package registry_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
)

// A landing is where a memBlobs takes what clients send.
type landing struct {
	parts  map[string]map[int]string // by the upload in parts, which has its key before the "@"
	joined map[string]string         // the upload that an object was joined of
	marked map[string]bool           // objects that are unverified
	kept   map[string]bool           // keys of which that was taken away
	landed map[string]bool           // keys that clients have sent to
	late   map[string]bool           // of these, those that had been given up
}

var _ blobs.Direct = (*memBlobs)(nil)

func newLanding() landing {
	return landing{
		map[string]map[int]string{}, map[string]string{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{},
	}
}

func (l landing) clone() landing {
	out := landing{
		map[string]map[int]string{}, maps.Clone(l.joined), maps.Clone(l.marked), maps.Clone(l.kept),
		maps.Clone(l.landed), maps.Clone(l.late),
	}
	for id, parts := range l.parts {
		out.parts[id] = maps.Clone(parts)
	}
	return out
}

// A permit is what a URL says; nobody forges any here.
type permit struct {
	Key, ID string
	Number  int
	Size    int64
	SHA256  []byte
}

func (p permit) url() (string, http.Header, error) {
	raw, err := json.Marshal(p)
	return string(raw), http.Header{}, err
}

var errRefused = oci.ErrUploadUnknown.With(nil, "the store refuses")

// send is the PUT of a client.
func (m *memBlobs) send(url string, body []byte) error {
	var p permit
	if err := json.Unmarshal([]byte(url), &p); err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	parts, ok := m.parts[p.ID]
	switch {
	case int64(len(body)) != p.Size, !slices.Equal(sum[:], p.SHA256), p.ID != "" && !ok:
		return errRefused
	case ok:
		parts[p.Number] = string(body)
		return nil
	}
	if _, there := m.objects[p.Key]; there {
		return errRefused
	}
	// A client that is late has its URL still.
	m.late[p.Key] = m.dead[p.Key]
	delete(m.dead, p.Key)
	m.objects[p.Key], m.marked[p.Key], m.landed[p.Key] = string(body), true, true
	return nil
}

func (m *memBlobs) BeginParts(ctx context.Context, key string) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	m.states++
	id := fmt.Sprint(key, "@", m.states)
	m.parts[id] = map[int]string{}
	return id, nil
}

func (m *memBlobs) PartURL(_ context.Context, key, id string, p blobs.Part, _ time.Duration) (string, http.Header, error) {
	return permit{key, id, p.Number, p.Size, p.SHA256}.url()
}

func (m *memBlobs) MarkedURL(_ context.Context, key string, size int64, sum []byte, _ time.Duration) (string, http.Header, error) {
	return permit{Key: key, Size: size, SHA256: sum}.url()
}

func (m *memBlobs) ReadURL(context.Context, string, string, time.Duration) (string, error) {
	return "", errors.New("nobody reads by URLs here")
}

func (m *memBlobs) WriteURL(context.Context, string, int64, []byte, time.Duration) (string, http.Header, error) {
	return "", nil, errors.New("nothing is written without a mark")
}

func (m *memBlobs) Parts(ctx context.Context, _, id string, after int) (parts []blobs.Part, more bool, err error) {
	there, ok := m.parts[id]
	if ctx.Err() != nil || !ok {
		return nil, false, cmp.Or(ctx.Err(), blobs.ErrUploadLost)
	}
	for _, number := range slices.Sorted(maps.Keys(there)) {
		if number > after {
			sum := sha256.Sum256([]byte(there[number]))
			parts = append(parts, blobs.Part{Number: number, Size: int64(len(there[number])), SHA256: sum[:], Tag: there[number]})
		}
	}
	if len(parts) > 2 { // pages are short, so that there are several
		return parts[:2], true, nil
	}
	return parts, false, nil
}

func (m *memBlobs) Join(ctx context.Context, key, id string, parts []blobs.Part) error {
	var whole strings.Builder
	for _, p := range parts {
		whole.WriteString(p.Tag)
	}
	_, there := m.objects[key]
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case there && m.joined[key] == id && m.objects[key] == whole.String():
		return nil
	case there:
		return blobs.ErrUploadLost
	}
	for _, p := range parts {
		if m.parts[id][p.Number] != p.Tag {
			return blobs.ErrUploadLost
		}
	}
	if m.dead[key] {
		return fmt.Errorf("key %s is used again", key)
	}
	m.objects[key], m.joined[key], m.marked[key], m.landed[key] = whole.String(), id, true, true
	delete(m.parts, id)
	return nil
}

func (m *memBlobs) Stat(ctx context.Context, key string) (int64, []byte, error) {
	body, ok := m.objects[key]
	switch {
	case ctx.Err() != nil:
		return 0, nil, ctx.Err()
	case !ok:
		return 0, nil, blobs.ErrAbsent
	case m.joined[key] != "":
		return int64(len(body)), nil, nil
	}
	sum := sha256.Sum256([]byte(body))
	return int64(len(body)), sum[:], nil
}

// Sum tells that of objects with an even number of bytes; what it does not
// tell is read.
func (m *memBlobs) Sum(ctx context.Context, key string, _ int64) ([]byte, error) {
	body, ok := m.objects[key]
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !ok:
		return nil, blobs.ErrAbsent
	case len(body)%2 == 1:
		return nil, blobs.ErrNoSum
	}
	sum := sha256.Sum256([]byte(body))
	return sum[:], nil
}

func (m *memBlobs) ReadAt(ctx context.Context, key string, p []byte, offset int64) error {
	body, ok := m.objects[key]
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return blobs.ErrAbsent
	case offset+int64(len(p)) > int64(len(body)):
		return errors.New("read beyond the end")
	}
	copy(p, body[offset:])
	return nil
}

func (m *memBlobs) Keep(ctx context.Context, key string) error {
	if _, ok := m.objects[key]; ctx.Err() != nil || !ok {
		return cmp.Or(ctx.Err(), blobs.ErrAbsent)
	}
	delete(m.marked, key)
	m.kept[key] = true
	return nil
}

// nap is what nobody does who is alone.
func (m *memBlobs) nap() { panic("somebody else is waited for") }

// dropParts gives up the uploads in parts of a key.
func (m *memBlobs) dropParts(key string) {
	maps.DeleteFunc(m.parts, func(id string, _ map[int]string) bool { return strings.HasPrefix(id, key+"@") })
}

// The turns of a process at what clients send to, and at what is made of it. What
// only signs makes no call, and waits for none.

func (b turnBlobs) send(url string, body []byte) error {
	return b.do("client's put", "", func(blobs.Store) error { return b.schedule.blobs.send(url, body) })
}

func (b turnBlobs) BeginParts(ctx context.Context, key string) (id string, err error) {
	err = b.do("begin parts", key, func(blobs.Store) (err error) { id, err = b.schedule.blobs.BeginParts(ctx, key); return err })
	return id, err
}

func (b turnBlobs) PartURL(ctx context.Context, key, id string, p blobs.Part, d time.Duration) (string, http.Header, error) {
	return b.schedule.blobs.PartURL(ctx, key, id, p, d)
}

func (b turnBlobs) MarkedURL(ctx context.Context, key string, size int64, sum []byte, d time.Duration) (string, http.Header, error) {
	return b.schedule.blobs.MarkedURL(ctx, key, size, sum, d)
}

func (b turnBlobs) ReadURL(ctx context.Context, key, method string, d time.Duration) (string, error) {
	return b.schedule.blobs.ReadURL(ctx, key, method, d)
}

func (b turnBlobs) WriteURL(ctx context.Context, key string, size int64, sum []byte, d time.Duration) (string, http.Header, error) {
	return b.schedule.blobs.WriteURL(ctx, key, size, sum, d)
}

func (b turnBlobs) Parts(ctx context.Context, key, id string, after int) (parts []blobs.Part, more bool, err error) {
	err = b.do("list parts", key, func(blobs.Store) (err error) {
		parts, more, err = b.schedule.blobs.Parts(ctx, key, id, after)
		return err
	})
	return parts, more, err
}

func (b turnBlobs) Join(ctx context.Context, key, id string, parts []blobs.Part) error {
	return b.do("join", key, func(blobs.Store) error { return b.schedule.blobs.Join(ctx, key, id, parts) })
}

func (b turnBlobs) Stat(ctx context.Context, key string) (size int64, sum []byte, err error) {
	err = b.do("stat", key, func(blobs.Store) (err error) { size, sum, err = b.schedule.blobs.Stat(ctx, key); return err })
	return size, sum, err
}

func (b turnBlobs) Sum(ctx context.Context, key string, size int64) (sum []byte, err error) {
	err = b.do("sum", key, func(blobs.Store) (err error) { sum, err = b.schedule.blobs.Sum(ctx, key, size); return err })
	return sum, err
}

// ReadAt is called beside the process, which a crash of it must end all the same:
// at its next call.
func (b turnBlobs) ReadAt(ctx context.Context, key string, p []byte, offset int64) error {
	f := b.await("read %s", key)
	if err := errors.Join(f.before, f.after); err != nil {
		b.schedule.mu.Lock()
		defer b.schedule.mu.Unlock()
		b.ended = errors.Is(err, errCrash)
		return err
	}
	return b.schedule.blobs.ReadAt(ctx, key, p, offset)
}

func (b turnBlobs) Keep(ctx context.Context, key string) error {
	return b.do("keep", key, func(blobs.Store) error { return b.schedule.blobs.Keep(ctx, key) })
}
