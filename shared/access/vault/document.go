package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthregistry/berth/shared/access/token"
)

// maxKeys bounds the document: a key has some 250 bytes. Older ones verify on,
// where they were published, until their end.
const maxKeys = 8

// document is what is in the vault. The zero document is that of an empty one.
type document struct {
	Keys token.Keyring `json:"keys"` // oldest first
}

// parse reads a document. Its errors repeat nothing of it.
func parse(text []byte) (document, error) {
	var d document
	if json.Unmarshal(text, &d) != nil {
		return d, errors.New("what is kept in the vault is not a document of keys")
	}
	if len(d.Keys) == 0 {
		return d, errors.New("the document in the vault has no keys")
	}
	for _, key := range d.Keys {
		if err := key.Check(); err != nil {
			return d, fmt.Errorf("the document in the vault: %w", err)
		}
	}
	return d, nil
}

func (d document) text() ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write the document of keys: %w", err)
	}
	return text, nil
}

// first is done where there is a key, and else makes one that signs at once:
// whoever verifies reloads for a key that they don't know.
func (d document) first(now time.Time) (document, bool, error) {
	if len(d.Keys) > 0 {
		return d, true, nil
	}
	key, err := token.Generate(whole(now))
	return document{token.Keyring{key}}, false, err
}

// rotated adds a key that signs after settle. The others may be used for stale
// longer, by whoever can't read the vault. An empty document gets its first key
// before, since something has to sign until then.
func (d document) rotated(now time.Time, life time.Duration) (document, bool, error) {
	if len(d.Keys) == 0 {
		return d.first(now)
	}
	from := whole(now.Add(settle + time.Second - 1)) // rounded up
	key, err := token.Generate(from)
	return d.with(key, now, from.Add(stale+life+token.Skew)), false, err
}

// with returns the document with a key more. The others end at a time, or at
// their own if that is earlier; those that have ended are left out.
func (d document) with(key token.PrivateKey, now, until time.Time) document {
	var next document
	for _, old := range d.Keys {
		if old.Until.IsZero() || until.Before(old.Until) {
			old.Until = until
		}
		if now.Before(old.Until) {
			next.Keys = append(next.Keys, old)
		}
	}
	next.Keys = append(next.Keys, key)
	next.Keys = next.Keys[max(0, len(next.Keys)-maxKeys):]
	return next
}

// withdrawn adds a key that signs at once and ends all others now. They stay in
// the document, so that whoever publishes it says so.
func (d document) withdrawn(key token.PrivateKey, now time.Time) document {
	var next document
	for _, old := range d.Keys {
		if old.Until.IsZero() || now.Before(old.Until) {
			old.Until = whole(now)
		}
		next.Keys = append(next.Keys, old)
	}
	next.Keys = append(next.Keys, key)
	next.Keys = next.Keys[max(0, len(next.Keys)-maxKeys):]
	return next
}

func (d document) has(id string) bool {
	return slices.ContainsFunc(d.Keys, func(k token.PrivateKey) bool { return k.ID == id })
}

// newest is the id of the key that was added last. There is one in what was read.
func (d document) newest() string { return d.Keys[len(d.Keys)-1].ID }

// pending returns the key that is to sign soon, if there is one.
func (d document) pending(now time.Time) (token.PublicKey, bool) {
	if len(d.Keys) > 0 {
		if last := d.Keys[len(d.Keys)-1]; last.From.After(now) {
			return last.PublicKey, true
		}
	}
	return token.PublicKey{}, false
}

// public are the keys that verify, and those that do so no more.
func (d document) public() []token.PublicKey {
	keys := make([]token.PublicKey, len(d.Keys))
	for i, key := range d.Keys {
		keys[i] = key.PublicKey
	}
	return keys
}

// whole is a time as people read it: in UTC, without parts of a second.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
