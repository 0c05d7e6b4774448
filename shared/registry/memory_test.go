package registry_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// A memTable is the table port in some fifty lines: what a schedule runs on a
// thousand times, and what can be cloned where every schedule begins.
type memTable struct {
	mu     sync.Mutex
	items  map[table.Key]table.Item
	tokens map[string]bool
}

var _ table.Store = (*memTable)(nil)

func newMemTable() *memTable {
	return &memTable{items: map[table.Key]table.Item{}, tokens: map[string]bool{}}
}

func (m *memTable) clone() *memTable {
	return &memTable{items: maps.Clone(m.items), tokens: maps.Clone(m.tokens)}
}

func (m *memTable) Get(ctx context.Context, key table.Key) (table.Item, error) {
	found, err := m.GetMany(ctx, []table.Key{key})
	if err != nil {
		return table.Item{}, err
	}
	item, ok := found[key]
	if !ok {
		return table.Item{}, table.ErrAbsent
	}
	return item, nil
}

func (m *memTable) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	if err := cmp.Or(ctx.Err(), table.ValidateKeys(keys)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[table.Key]table.Item{}
	for _, key := range keys {
		item, ok := m.items[key]
		if !ok {
			continue
		}
		item.Attrs = slices.Clone(item.Attrs)
		if len(names) > 0 {
			// What the port does not promise is not there to rely on.
			item = table.Item{Key: key, Attrs: slices.DeleteFunc(item.Attrs, func(a table.Attr) bool {
				return !slices.Contains(names, a.Name)
			})}
		}
		found[key] = item
	}
	return found, nil
}

func (m *memTable) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := cmp.Or(ctx.Err(), q.Validate()); err != nil {
		return table.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var sorts []string
	for key := range m.items {
		if key.Partition == q.Partition && strings.HasPrefix(key.Sort, q.Prefix) && key.Sort > q.After {
			sorts = append(sorts, key.Sort)
		}
	}
	slices.Sort(sorts)
	var page table.Page
	size := 0
	for _, sort := range sorts {
		if size >= table.MaxPage || q.Limit > 0 && len(page.Items) == q.Limit {
			page.More = true
			break
		}
		item := m.items[table.Key{Partition: q.Partition, Sort: sort}]
		item.Attrs = slices.Clone(item.Attrs)
		page.Items = append(page.Items, item)
		size += item.Size()
	}
	return page, nil
}

func (m *memTable) Transact(ctx context.Context, tx table.Tx) error {
	if err := cmp.Or(ctx.Err(), tx.Validate()); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens[tx.Token] {
		return nil
	}
	var failed []int
	next := map[table.Key]*table.Item{}
	for i, a := range tx.Actions {
		var old *table.Item
		if item, ok := m.items[a.Key]; ok {
			old = &item
		}
		if !a.If.Holds(old) {
			failed = append(failed, i)
			continue
		}
		item, err := after(a, old, tx.Token)
		if err != nil {
			return err
		}
		next[a.Key] = item
	}
	if failed != nil {
		return &table.ConditionError{Failed: failed}
	}
	for key, item := range next {
		if item == nil {
			delete(m.items, key)
		} else {
			m.items[key] = *item
		}
	}
	m.tokens[tx.Token] = true
	return nil
}

// after returns what an action makes of an item, nil for none.
func after(a table.Action, old *table.Item, token string) (*table.Item, error) {
	item := table.Item{Key: a.Key, Version: token, Expires: a.Expires}
	switch a.Op {
	case table.OpCheck:
		return old, nil
	case table.OpDelete:
		return nil, nil
	case table.OpPut:
		item.Attrs = slices.Clone(a.Set)
		return &item, nil
	}
	if old != nil {
		item.Attrs = slices.Clone(old.Attrs)
		if a.Expires.IsZero() {
			item.Expires = old.Expires
		}
	}
	for _, name := range a.Unset {
		item.Attrs = item.Without(name)
	}
	for _, attr := range a.Set {
		item.Attrs = item.With(attr)
	}
	for _, n := range a.Add {
		was, ok := item.Lookup(n.Name)
		if ok && was.Kind != table.KindN {
			return nil, fmt.Errorf("%w: %q is no number", table.ErrLimit, n.Name)
		}
		item.Attrs = item.With(table.N(n.Name, was.Num()+n.Num()))
	}
	if item.Size() > table.MaxItem {
		return nil, fmt.Errorf("%w: item of %d bytes", table.ErrLimit, item.Size())
	}
	return &item, nil
}

// TestMemTable holds the model to the contract of what it stands for. (Numbers
// that grow beyond 64 bits are nothing that a registry counts to.)
func TestMemTable(t *testing.T) {
	tabletest.Run(t, func(*testing.T) table.Store { return newMemTable() })
}

// A memBlobs is the blob port, as strict as it can be: a key that had an object
// never has another.
type memBlobs struct {
	objects map[string]string // by key
	futures map[string]string // by state: what was gathered
	made    map[string]string // the state that an object was completed from
	dead    map[string]bool   // keys that had an object, or were aborted
	states  int
	landing
}

var _ blobs.Store = (*memBlobs)(nil)

func newMemBlobs() *memBlobs {
	return &memBlobs{map[string]string{}, map[string]string{}, map[string]string{}, map[string]bool{}, 0, newLanding()}
}

func (m *memBlobs) clone() *memBlobs {
	return &memBlobs{maps.Clone(m.objects), maps.Clone(m.futures), maps.Clone(m.made), maps.Clone(m.dead), m.states, m.landing.clone()}
}

type memObject struct{ io.ReadSeeker }

func (memObject) Close() error { return nil }

func (m *memBlobs) Open(ctx context.Context, key string, size int64) (io.ReadSeekCloser, error) {
	body, ok := m.objects[key]
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !ok:
		return nil, blobs.ErrAbsent
	case int64(len(body)) != size:
		return nil, fmt.Errorf("object %s has %d bytes, not %d", key, len(body), size)
	}
	return memObject{strings.NewReader(body)}, nil
}

func (m *memBlobs) Put(ctx context.Context, key string, body []byte) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if was, ok := m.objects[key]; m.dead[key] || ok && was != string(body) {
		return fmt.Errorf("key %s is used again", key)
	}
	m.objects[key] = string(body)
	return nil
}

func (m *memBlobs) Append(ctx context.Context, u blobs.Upload, r io.Reader) (blobs.Upload, error) {
	held, ok := m.futures[string(u.State)]
	if u.State != nil && (!ok || m.dead[u.Key]) {
		return u, blobs.ErrUploadLost
	}
	var more bytes.Buffer
	_, err := more.ReadFrom(r)
	if err = cmp.Or(ctx.Err(), err); more.Len() == 0 {
		return u, err
	}
	m.states++
	state := u.Key + "@" + strconv.Itoa(m.states)
	m.futures[state] = held + more.String()
	return blobs.Upload{Key: u.Key, Size: int64(len(m.futures[state])), State: []byte(state)}, err
}

func (m *memBlobs) Complete(ctx context.Context, u blobs.Upload) error {
	body, ok := m.futures[string(u.State)]
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case m.made[u.Key] == string(u.State) && !m.dead[u.Key]:
		return nil
	case !ok || m.dead[u.Key] || m.made[u.Key] != "":
		return blobs.ErrUploadLost
	}
	m.objects[u.Key], m.made[u.Key] = body, string(u.State)
	return nil
}

func (m *memBlobs) Abort(ctx context.Context, u blobs.Upload) error {
	if ctx.Err() == nil {
		m.dropParts(u.Key)
	}
	return m.Delete(ctx, u.Key)
}

func (m *memBlobs) Delete(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	delete(m.objects, key)
	m.dead[key] = true
	return nil
}
