package token

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"time"
)

// reloadEvery bounds how often a stranger who invents keys can have them looked
// for.
const reloadEvery = time.Second

// keys are the public keys in force, which are kept elsewhere.
type keys struct {
	current  func(context.Context) ([]PublicKey, error)
	reload   func(context.Context) ([]PublicKey, error)
	now      func() time.Time
	turn     chan struct{} // held by whoever reloads
	reloaded time.Time     // guarded by turn
}

func newKeys(current, reload func(context.Context) ([]PublicKey, error), now func() time.Time) *keys {
	return &keys{current: current, reload: reload, now: now, turn: make(chan struct{}, 1)}
}

// find returns the key of an id, if it is good. A key that is not known may have
// been made just now; one that has ended is not looked for.
func (k *keys) find(ctx context.Context, id string) (PublicKey, error) {
	for _, read := range []func(context.Context) ([]PublicKey, error){k.current, k.again} {
		all, err := read(ctx)
		if err != nil {
			return PublicKey{}, fmt.Errorf("read the keys of tokens: %w", err)
		}
		key, good, known := lookup(all, id, k.now())
		switch {
		case good:
			return key, nil
		case known:
			return PublicKey{}, invalid("its key has ended")
		}
	}
	return PublicKey{}, invalid("its key is not known")
}

// again returns the keys as they are now, or as they were a second ago. Who
// comes while they are read waits and gets the same.
func (k *keys) again(ctx context.Context) ([]PublicKey, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if k.now().Sub(k.reloaded) < reloadEvery {
		return k.current(ctx)
	}
	k.reloaded = k.now()
	return k.reload(ctx)
}

// lookup returns the key of an id. There may be one that is of no use: known
// says whether there is any, so that nobody looks for it again.
func lookup(keys []PublicKey, id string, now time.Time) (key PublicKey, good, known bool) {
	for _, k := range keys {
		if k.ID == id {
			// Of another length it would make the library panic.
			return k, !k.ended(now) && len(k.Key) == ed25519.PublicKeySize, true
		}
	}
	return PublicKey{}, false, false
}

// still says whether a key is good yet.
func still(keys []PublicKey, key PublicKey, now time.Time) bool {
	k, good, _ := lookup(keys, key.ID, now)
	return good && bytes.Equal(k.Key, key.Key)
}
