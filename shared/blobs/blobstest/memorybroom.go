package blobstest

import (
	"context"
	"maps"
	"strings"
)

var _ Bucket = (*Memory)(nil)

// Entries implements Bucket.
func (m *Memory) Entries(ctx context.Context) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Entry
	for key, o := range m.objects {
		all = append(all, Entry{Key: "object/" + key, Since: o.made, Tags: maps.Clone(o.tags)})
	}
	for id, up := range m.uploads {
		all = append(all, Entry{Key: "object/" + up.key, Upload: id, Since: up.made})
	}
	for id, st := range m.states {
		all = append(all, Entry{Key: "tail/" + st.key + "/" + id, Since: st.made})
	}
	return all, nil
}

// Remove implements Bucket.
func (m *Memory) Remove(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Upload != "" {
		delete(m.uploads, e.Upload)
	} else if key, ok := strings.CutPrefix(e.Key, "object/"); ok {
		delete(m.objects, key)
	} else {
		delete(m.states, e.Key[strings.LastIndex(e.Key, "/")+1:])
	}
	return nil
}
