package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/table"
)

// A State is what is in force at a moment. It is shared and must not be
// changed.
type State struct {
	// Policy is never nil. Where none was ever set it allows nothing.
	Policy *access.Policy
	// Keys verify tokens.
	Keys []token.PublicKey
	// Revoked are the ids of access keys that were revoked within the hour:
	// tokens made with them are void.
	Revoked map[string]bool

	written string // version of the item of the policy, "" for none
}

// Attributes of the items that a State is made of.
const (
	attrCompiled = "compiled" // the policy as JSON
	attrKeys     = "keys"     // public keys as JSON
)

// State returns what is in force, as it was at most Fresh ago. Where the table
// can't be read it is as it was at most a minute ago, then there is an error.
func (l *Ledger) State(ctx context.Context) (*State, error) { return l.memory.get(ctx) }

// Reload is State for who has reason to think that it has just changed. It
// reads at most once a second.
func (l *Ledger) Reload(ctx context.Context) (*State, error) { return l.memory.reload(ctx) }

// Keys returns the keys of State, for those who verify tokens.
func (l *Ledger) Keys(ctx context.Context) ([]token.PublicKey, error) { return keysOf(l.State(ctx)) }

// ReloadKeys returns the keys of Reload.
func (l *Ledger) ReloadKeys(ctx context.Context) ([]token.PublicKey, error) {
	return keysOf(l.Reload(ctx))
}

func keysOf(s *State, err error) ([]token.PublicKey, error) {
	if err != nil {
		return nil, err
	}
	return s.Keys, nil
}

// read reads the State. Of the last one it takes over what has not changed: a
// policy is dear to make.
func (l *Ledger) read(ctx context.Context, last *State) (*State, error) {
	items, err := l.table.GetMany(ctx, []table.Key{policyKey, keysKey, revokedKey})
	if err != nil {
		return nil, err
	}
	s := &State{Revoked: revokedAt(items[revokedKey], l.now())}
	if err := s.takePolicy(items[policyKey], last); err != nil {
		return nil, err
	}
	if s.Keys, err = keysIn(items[keysKey]); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *State) takePolicy(item table.Item, last *State) error {
	s.written = item.Version
	if last != nil && last.written == s.written {
		s.Policy = last.Policy
		return nil
	}
	var err error
	s.Policy, err = policyIn(item)
	return err
}

// policyIn reads a policy from its item. None is the one that allows nothing.
func policyIn(item table.Item) (*access.Policy, error) {
	p := &access.Policy{}
	if raw := item.Bin(attrCompiled); raw != nil {
		return p, json.Unmarshal(raw, p) // which says that it was reading a policy
	}
	return p, p.Compile()
}

// keysIn reads public keys from their item. There are none before the first
// token was made.
func keysIn(item table.Item) (keys []token.PublicKey, err error) {
	if raw := item.Bin(attrKeys); raw != nil {
		if err := json.Unmarshal(raw, &keys); err != nil {
			return nil, fmt.Errorf("read public keys: %w", err)
		}
	}
	return keys, nil
}

// memoryOfRevoked is how long an access key is known as revoked. No access
// token is good for as long, and whoever comes with a refresh token is asked
// for their key again.
const memoryOfRevoked = time.Hour

// revokedAt lists the access keys that were revoked not long before now.
func revokedAt(item table.Item, now time.Time) map[string]bool {
	ids := map[string]bool{}
	for _, a := range item.Attrs {
		if now.Sub(time.Unix(a.Num(), 0)) < memoryOfRevoked {
			ids[a.Name] = true
		}
	}
	return ids
}
