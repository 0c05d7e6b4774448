package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// A Robot is an access key of something that logs in by itself. Several keys
// of one name are the same robot.
type Robot struct {
	ID      string // of the access key: what it logs in as
	Name    string // what rules call it
	Groups  []string
	Created time.Time
	Expires time.Time // zero for never
	Used    time.Time // the day of the last use; zero for never

	hash []byte        // SHA-256 of the secret
	life time.Duration // that it was made for, 0 for ever; it may end sooner
}

// Matches says whether a secret is that of the key, in the same time whether it
// nearly is or not at all. No secret matches the zero Robot.
func (r Robot) Matches(secret string) bool {
	return subtle.ConstantTimeCompare(hashOf(secret), r.hash) == 1
}

// Credential tells this key from all others, without saying anything of its
// secret.
func (r Robot) Credential() string {
	sum := sha256.Sum256(append([]byte("credential of "+r.ID+" "), r.hash...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Attributes of an access key. When it expires is the item's own.
const (
	attrName    = "name"
	attrGroups  = "groups" // with newlines between them
	attrHash    = "hash"
	attrCreated = "created"
	attrLife    = "life" // in seconds
	attrUsed    = "used" // a day, "" before the first
)

// put is the action that writes a new access key.
func (r Robot) put() table.Action {
	return table.Put(robotKey(r.ID),
		table.S(attrName, r.Name),
		table.S(attrGroups, strings.Join(r.Groups, "\n")),
		table.B(attrHash, r.hash),
		table.N(attrCreated, r.Created.Unix()),
		table.N(attrLife, int64(r.life/time.Second)),
		table.S(attrUsed, ""),
	).When(table.Absent()).Until(r.Expires)
}

// robotIn reads an access key from its item.
func robotIn(item table.Item) Robot {
	r := Robot{
		ID:      strings.TrimPrefix(item.Sort, robotPrefix),
		Name:    item.Str(attrName),
		Created: time.Unix(item.Num(attrCreated), 0).UTC(),
		hash:    item.Bin(attrHash),
		life:    time.Duration(item.Num(attrLife)) * time.Second,
	}
	if groups := item.Str(attrGroups); groups != "" {
		r.Groups = strings.Split(groups, "\n")
	}
	if !item.Expires.IsZero() {
		r.Expires = item.Expires.UTC()
	}
	r.Used, _ = time.Parse(time.DateOnly, item.Str(attrUsed)) // zero if there is no day
	return r
}

// expired says whether the key has ended; the store removes it some time later.
func (r Robot) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// Robot returns an access key by its id. Errors: ErrAbsent, also for one that
// has expired.
func (l *Ledger) Robot(ctx context.Context, id string) (Robot, error) {
	if !IsID(id) {
		return Robot{}, ErrAbsent
	}
	item, err := l.table.Get(ctx, robotKey(id))
	if err != nil && !errors.Is(err, table.ErrAbsent) {
		return Robot{}, fmt.Errorf("read access key: %w", err)
	}
	r := robotIn(item)
	if err != nil || r.expired(l.now()) {
		return Robot{}, ErrAbsent
	}
	if day := l.now().UTC().Format(time.DateOnly); item.Str(attrUsed) == day {
		l.today.add(day, id) // so that Used need not read it again
	}
	return r, nil
}

// Robots returns all access keys that have not expired, sorted by name, the
// oldest of a name first.
func (l *Ledger) Robots(ctx context.Context) ([]Robot, error) {
	var robots []Robot
	q := table.Query{Partition: partition, Prefix: robotPrefix}
	for more := true; more; {
		page, err := l.table.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list access keys: %w", err)
		}
		for _, item := range page.Items {
			if r := robotIn(item); !r.expired(l.now()) {
				robots = append(robots, r)
			}
			q.After = item.Sort
		}
		more = page.More
	}
	slices.SortFunc(robots, func(a, b Robot) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return robots, nil
}

// named returns the access keys of a robot, the oldest first.
func (l *Ledger) named(ctx context.Context, name string) ([]Robot, error) {
	robots, err := l.Robots(ctx)
	return slices.DeleteFunc(robots, func(r Robot) bool { return r.Name != name }), err
}
