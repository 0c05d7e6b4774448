package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/table"
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

// What is kept of a policy, so that it fits an item with room to spare.
const (
	maxText     = 100 << 10
	maxCompiled = 350 << 10
	maxBy       = 1 << 10
)

// Attributes of the source.
const (
	attrText = "text"
	attrWhen = "when"
	attrBy   = "by"
)

// Policy returns the policy as it was written, or ErrAbsent.
func (l *Ledger) Policy(ctx context.Context) (Document, error) {
	item, err := l.table.Get(ctx, sourceKey)
	switch {
	case errors.Is(err, table.ErrAbsent):
		return Document{}, ErrAbsent
	case err != nil:
		return Document{}, fmt.Errorf("read policy: %w", err)
	}
	return Document{
		Text:    item.Bin(attrText),
		Version: item.Version,
		When:    time.Unix(item.Num(attrWhen), 0).UTC(),
		By:      item.Str(attrBy),
	}, nil
}

// SetPolicy puts a policy in force: text, and what it was compiled to. It
// replaces the one of version ifVersion, or else is ErrChanged; NoPolicy stands
// for none, and "" for whatever is there. Every ledger has it after Fresh, this
// one at once. Errors: ErrChanged, ErrInvalid.
func (l *Ledger) SetPolicy(ctx context.Context, text []byte, p *access.Policy, by, ifVersion string) (Document, error) {
	compiled, err := json.Marshal(p)
	if err != nil {
		return Document{}, fmt.Errorf("write policy: %w", err)
	}
	if len(text) > maxText || len(compiled) > maxCompiled {
		return Document{}, fmt.Errorf("%w: a policy has at most %d bytes, and %d when compiled; this has %d and %d",
			ErrInvalid, maxText, maxCompiled, len(text), len(compiled))
	}
	// What could not be read again would close the registry to everybody.
	if err := json.Unmarshal(compiled, new(access.Policy)); err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	now := l.now().Truncate(time.Second).UTC()
	by = strings.ToValidUTF8(by[:min(len(by), maxBy)], "")
	// What is read by people and what is read by machines change as one, so
	// that neither ever speaks of another policy than the other.
	tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Put(sourceKey, table.B(attrText, text), table.S(attrBy, by), table.N(attrWhen, now.Unix())).When(replaces(ifVersion)),
		table.Put(policyKey, table.B(attrCompiled, compiled)),
	}}
	defer l.memory.wrote()
	err = decide(ctx, func() error { return changed(l.commit(ctx, tx)) })
	if err != nil {
		return Document{}, fmt.Errorf("write policy: %w", err)
	}
	return Document{Text: text, Version: tx.Token, When: now, By: by}, nil
}

// replaces is the condition on the source for a version to be replaced.
func replaces(version string) table.Condition {
	switch version {
	case "":
		return table.Condition{}
	case NoPolicy:
		return table.Absent()
	}
	return table.VersionIs(version)
}

// changed makes a condition that did not hold ErrChanged, which is an answer
// and not a race to be run again.
func changed(err error) error {
	var c *table.ConditionError
	if errors.As(err, &c) {
		return ErrChanged
	}
	return err
}
