package ledger

import (
	"context"
	"time"

	"github.com/berthregistry/berth/shared/access"
)

// A Document is the policy as somebody wrote it.
type Document struct {
	Text []byte
	// Version changes with each writing, if only a comment did. It is not that
	// of the compiled policy.
	Version string
	When    time.Time
	By      string
}

// NoPolicy is the version of a policy that was never set.
const NoPolicy = "none"

// Policy returns the policy as it was written, or ErrAbsent.
func (l *Ledger) Policy(ctx context.Context) (Document, error) { return Document{}, ErrAbsent }

// SetPolicy puts a policy in force: text, and what it was compiled to. It
// replaces the one of version ifVersion, or else is ErrChanged; NoPolicy stands
// for none, and "" for whatever is there. Every ledger has it after Fresh, this
// one at once.
func (l *Ledger) SetPolicy(ctx context.Context, text []byte, p *access.Policy, by, ifVersion string) (Document, error) {
	return Document{}, ErrAbsent
}
