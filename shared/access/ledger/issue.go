package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// Bounds of robots.
const (
	maxName    = 64 // bytes of a name, of a robot or of a group
	maxGroups  = 32
	maxOverlap = 90 * 24 * time.Hour
	// maxKeys bounds the access keys of one robot: whoever needs more at a time
	// needs another robot. They are revoked in one transaction.
	maxKeys = 16
)

// Create makes a robot with one access key, and returns its secret, which is
// not kept. A zero expires stands for never. Two who create the same name at
// the same moment may both succeed: it is then one robot with two keys, which
// the list shows. Errors: ErrInvalid, ErrExists.
func (l *Ledger) Create(ctx context.Context, name string, groups []string, expires time.Time) (Robot, string, error) {
	if err := l.checkNew(name, groups, expires); err != nil {
		return Robot{}, "", err
	}
	there, err := l.named(ctx, name)
	switch {
	case err != nil:
		return Robot{}, "", err
	case len(there) > 0:
		return Robot{}, "", fmt.Errorf("robot %s: %w", name, ErrExists)
	}
	r, secret := l.newKey(name, groups, expires)
	// If it is not known whether this happened, there may be a key whose secret
	// nobody was told. The list shows it.
	if err := l.write(ctx, r.put()); err != nil {
		return Robot{}, "", fmt.Errorf("create robot: %w", err)
	}
	return r, secret, nil
}

// newKey makes an access key that is not kept yet.
func (l *Ledger) newKey(name string, groups []string, expires time.Time) (Robot, string) {
	secret := newSecret()
	r := Robot{
		ID: newID(), Name: name, Groups: slices.Clone(groups),
		Created: l.now().Truncate(time.Second).UTC(),
		hash:    hashOf(secret),
	}
	if !expires.IsZero() {
		r.Expires = expires.Truncate(time.Second).UTC()
		r.life = r.Expires.Sub(r.Created)
	}
	return r, secret
}

// checkNew refuses what rules could not speak of, or what would be no use.
func (l *Ledger) checkNew(name string, groups []string, expires time.Time) error {
	switch {
	case !isName(name):
		return fmt.Errorf("%w: a robot's name has 1 to %d of a-z, 0-9, dot, dash and underscore, and begins with a letter or digit", ErrInvalid, maxName)
	case IsID(name):
		return fmt.Errorf("%w: a robot's name must not look like the id of an access key", ErrInvalid)
	case len(groups) > maxGroups:
		return fmt.Errorf("%w: a robot has at most %d groups", ErrInvalid, maxGroups)
	case !expires.IsZero() && !expires.After(l.now().Add(time.Second)):
		return fmt.Errorf("%w: the access key would have expired already", ErrInvalid)
	}
	for i, g := range groups {
		if !isName(g) || slices.Contains(groups[:i], g) {
			return fmt.Errorf("%w: group %d is twice there, or not named as robots are", ErrInvalid, i+1)
		}
	}
	return nil
}

func isName(s string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= maxName &&
		strings.IndexByte(first, s[0]) >= 0 && strings.Trim(s, first+"._-") == ""
}

// Rotate gives a robot a new access key, good for as long as the newest was
// made for. The old ones end after overlap, or when they would have anyway;
// tokens that were made with them before live out their minutes. Without an
// overlap the old ones are revoked. Errors: ErrAbsent, ErrInvalid.
func (l *Ledger) Rotate(ctx context.Context, name string, overlap time.Duration) (Robot, string, error) {
	if overlap < 0 || overlap > maxOverlap {
		return Robot{}, "", fmt.Errorf("%w: keys overlap by 0 to %d days", ErrInvalid, int(maxOverlap.Hours()/24))
	}
	defer l.memory.wrote()
	var r Robot
	var secret string
	err := decide(ctx, func() error {
		old, err := l.named(ctx, name)
		switch {
		case err != nil:
			return err
		case len(old) == 0:
			return ErrAbsent
		case len(old) >= maxKeys:
			return fmt.Errorf("%w: it has %d keys, revoke some of them", ErrInvalid, len(old))
		}
		var actions []table.Action
		r, secret, actions = l.succession(old, overlap)
		return l.write(ctx, actions...)
	})
	if err != nil {
		return Robot{}, "", fmt.Errorf("rotate robot %s: %w", name, err)
	}
	return r, secret, nil
}

// succession makes the key that follows old ones, and the actions that put it
// in their place: all or none, or somebody would have a key that nobody was
// told of, or none. A key that is revoked meanwhile is not brought back.
func (l *Ledger) succession(old []Robot, overlap time.Duration) (Robot, string, []table.Action) {
	newest, now := old[len(old)-1], l.now()
	var expires time.Time
	if newest.life > 0 {
		expires = now.Add(newest.life)
	}
	r, secret := l.newKey(newest.Name, newest.Groups, expires)
	if overlap == 0 {
		return r, secret, append(revocation(old, now), r.put())
	}
	actions := []table.Action{r.put()}
	for _, o := range old {
		end := earlier(o.Expires, now.Add(overlap))
		actions = append(actions, table.Update(robotKey(o.ID)).When(table.Exists()).Until(end))
	}
	return r, secret, actions
}
