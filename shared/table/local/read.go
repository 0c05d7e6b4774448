package local

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/berthregistry/berth/shared/table"
)

// A read copies what it needs out of the map and leaves: an open read keeps
// pages from being used again and, where the file outgrows what is mapped, the
// writer waiting.

// Get implements table.Store.
func (s *Store) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := key.Validate(); err != nil {
		return table.Item{}, err
	}
	var raw []byte
	err := s.view(ctx, func(items *bbolt.Bucket) error {
		raw = bytes.Clone(items.Get(encodeKey(key)))
		return nil
	})
	switch {
	case err != nil:
		return table.Item{}, fmt.Errorf("get %v: %w", key, err)
	case raw == nil:
		return table.Item{}, table.ErrAbsent
	}
	return decodeItem(key, raw)
}

func (s *Store) view(ctx context.Context, f func(items *bbolt.Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error { return f(tx.Bucket(itemsBucket)) })
}

// GetMany implements table.Store. All items are of one moment, which is more
// than the port promises.
func (s *Store) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	if err := table.ValidateKeys(keys); err != nil {
		return nil, err
	}
	found := make(map[table.Key]table.Item, len(keys))
	err := s.view(ctx, func(items *bbolt.Bucket) error {
		for _, key := range keys {
			raw := items.Get(encodeKey(key))
			if raw == nil {
				continue
			}
			item, err := copyItem(key, raw, names)
			if err != nil {
				return err
			}
			found[key] = item
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get %d items: %w", len(keys), err)
	}
	return found, nil
}

// copyItem decodes an item so that it outlives the read. Of a projection only
// what is kept is copied: the state of a large manifest costs no body.
func copyItem(key table.Key, raw []byte, names []string) (table.Item, error) {
	if len(names) == 0 {
		return decodeItem(key, bytes.Clone(raw))
	}
	item, err := decodeItem(key, raw, names...)
	for i, a := range item.Attrs {
		if a.Kind == table.KindB {
			item.Attrs[i] = table.B(a.Name, bytes.Clone(a.Bin()))
		}
	}
	return item, err
}

// Query implements table.Store.
func (s *Store) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := q.Validate(); err != nil {
		return table.Page{}, err
	}
	var page table.Page
	err := s.view(ctx, func(items *bbolt.Bucket) (err error) {
		page, err = readPage(items, q)
		return err
	})
	if err != nil {
		return table.Page{}, fmt.Errorf("query %s: %w", q.Partition, err)
	}
	return page, nil
}

func readPage(items *bbolt.Bucket, q table.Query) (table.Page, error) {
	prefix := encodeKey(table.Key{Partition: q.Partition, Sort: q.Prefix})
	from := prefix
	if q.After != "" {
		// The least key behind After.
		from = append(encodeKey(table.Key{Partition: q.Partition, Sort: q.After}), 0)
	}
	var page table.Page
	size, skip := 0, len(prefix)-len(q.Prefix)
	cursor := items.Cursor()
	for k, v := cursor.Seek(from); bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
		if size >= table.MaxPage || q.Limit > 0 && len(page.Items) == q.Limit {
			page.More = true
			break
		}
		item, err := decodeItem(table.Key{Partition: q.Partition, Sort: string(k[skip:])}, bytes.Clone(v))
		if err != nil {
			return table.Page{}, err
		}
		page.Items = append(page.Items, item)
		size += item.Size()
	}
	return page, nil
}
