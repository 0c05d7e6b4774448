package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/table"
)

// keepEnded is how long a key is kept after its end. Whoever publishes late
// what they once knew of it then cannot bring it back.
const keepEnded = 24 * time.Hour

// PublishKeys adds keys to those that verify tokens. A key that is there
// already ends at the earlier of the two times, and one that ended long ago is
// dropped, so the order in which several publish makes no difference.
func (l *Ledger) PublishKeys(ctx context.Context, keys []token.PublicKey) error {
	defer l.memory.wrote()
	err := decide(ctx, func() error {
		items, err := l.table.GetMany(ctx, []table.Key{keysKey})
		if err != nil {
			return err
		}
		item, found := items[keysKey]
		known, err := keysIn(item)
		if err != nil {
			return err
		}
		merged := mergeKeys(known, keys, l.now())
		if slices.EqualFunc(known, merged, sameKey) {
			return nil // as at each cold start of who signs
		}
		raw, err := json.Marshal(merged)
		if err != nil {
			return err
		}
		return l.write(ctx, table.Put(keysKey, table.B(attrKeys, raw)).When(unchanged(item, found)))
	})
	if err != nil {
		return fmt.Errorf("publish keys: %w", err)
	}
	return nil
}

func sameKey(a, b token.PublicKey) bool {
	return a.ID == b.ID && bytes.Equal(a.Key, b.Key) && a.From.Equal(b.From) && a.Until.Equal(b.Until)
}

// unchanged holds as long as an item is as it was read.
func unchanged(item table.Item, found bool) table.Condition {
	if !found {
		return table.Absent()
	}
	return table.VersionIs(item.Version)
}

// mergeKeys returns all keys of both lists but those that ended long ago, by
// their ids.
func mergeKeys(a, b []token.PublicKey, now time.Time) []token.PublicKey {
	byID := map[string]token.PublicKey{}
	for _, k := range slices.Concat(a, b) {
		if there, ok := byID[k.ID]; ok {
			there.Until = earlier(there.Until, k.Until)
			k = there
		}
		byID[k.ID] = k
	}
	merged := make([]token.PublicKey, 0, len(byID))
	for _, k := range byID {
		if k.Until.IsZero() || now.Sub(k.Until) < keepEnded {
			merged = append(merged, k)
		}
	}
	slices.SortFunc(merged, func(a, b token.PublicKey) int { return strings.Compare(a.ID, b.ID) })
	return merged
}

// earlier returns the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
