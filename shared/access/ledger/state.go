package ledger

import (
	"context"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
)

// A State is what is in force at a moment. It is shared and must not be
// changed.
type State struct {
	// Policy is never nil. Where none was ever set it allows nothing.
	Policy *access.Policy
	// PolicyVersion is Policy.Version().
	PolicyVersion string
	// Keys verify tokens.
	Keys []token.PublicKey
	// Revoked are the ids of access keys that were revoked within the hour:
	// tokens made with them are void.
	Revoked map[string]bool
}

// State returns what is in force, as it was at most Fresh ago. Where the table
// can't be read it is as it was at most a minute ago, then there is an error.
func (l *Ledger) State(ctx context.Context) (*State, error) { return nil, ErrAbsent }

// Reload is State for who has reason to think that it has just changed. It
// reads at most once a second.
func (l *Ledger) Reload(ctx context.Context) (*State, error) { return nil, ErrAbsent }

// PublishKeys adds keys to those that verify tokens. A key that is there
// already ends at the earlier of the two times, and one that ended long ago is
// dropped, so the order in which several publish makes no difference.
func (l *Ledger) PublishKeys(ctx context.Context, keys []token.PublicKey) error { return ErrAbsent }
