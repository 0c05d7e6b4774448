package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// Revoke ends an access key, or all of a robot's by its name, and with them the
// tokens made with them. It returns the ids. When it returns, no key of the
// name is left, not even one that a rotation made meanwhile. Errors: ErrAbsent.
func (l *Ledger) Revoke(ctx context.Context, idOrName string) ([]string, error) {
	defer l.memory.wrote()
	var ids []string
	for {
		revoked, err := l.revokeSome(ctx, idOrName)
		if err != nil {
			return nil, fmt.Errorf("revoke access keys: %w", err)
		}
		if len(revoked) == 0 {
			break
		}
		ids = append(ids, revoked...)
	}
	if len(ids) == 0 {
		return nil, ErrAbsent
	}
	return ids, nil
}

// revokeSome revokes as many of the access keys meant as go into a transaction,
// and returns their ids. A crash leaves each of these with its tokens as it
// was, or revoked with its tokens.
func (l *Ledger) revokeSome(ctx context.Context, idOrName string) (ids []string, err error) {
	err = decide(ctx, func() error {
		ids = nil
		robots, err := l.meant(ctx, idOrName)
		if err != nil || len(robots) == 0 {
			return err
		}
		old, err := l.oldRevocations(ctx)
		if err != nil {
			return err
		}
		robots = robots[:min(len(robots), maxKeys)]
		for _, r := range robots {
			ids = append(ids, r.ID)
		}
		return l.write(ctx, revocation(robots, l.now(), old...)...)
	})
	return ids, err
}

// meant returns the access keys that an id or a name stands for.
func (l *Ledger) meant(ctx context.Context, idOrName string) ([]Robot, error) {
	if !IsID(idOrName) {
		return l.named(ctx, idOrName)
	}
	r, err := l.Robot(ctx, idOrName)
	if errors.Is(err, ErrAbsent) {
		return nil, nil
	}
	return []Robot{r}, err
}

// revocation is the actions that end access keys and their tokens, and forget
// earlier revocations. Each key is an attribute of its own, so that two who
// revoke at once do not disturb each other. A key that is gone meanwhile fails
// them: a rotation must not put a new one in its place.
func revocation(robots []Robot, now time.Time, forget ...string) []table.Action {
	mark := table.Update(revokedKey).Unsetting(forget...).Until(now.Add(2 * memoryOfRevoked))
	var actions []table.Action
	for _, r := range robots {
		mark.Set = append(mark.Set, table.N(r.ID, now.Unix()))
		actions = append(actions, table.Delete(robotKey(r.ID)).When(table.Exists()))
	}
	return append(actions, mark)
}

// oldRevocations lists the ids whose tokens have all ended by themselves.
func (l *Ledger) oldRevocations(ctx context.Context) ([]string, error) {
	items, err := l.table.GetMany(ctx, []table.Key{revokedKey})
	if err != nil {
		return nil, err
	}
	recent := revokedAt(items[revokedKey], l.now())
	var old []string
	for _, a := range items[revokedKey].Attrs {
		if !recent[a.Name] {
			old = append(old, a.Name)
		}
	}
	return old, nil
}
