package ledger

import (
	"context"
	"time"
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

	hash []byte // SHA-256 of the secret
}

// Matches says whether a secret is that of the key.
func (r Robot) Matches(secret string) bool { return false }

// Credential tells this key from all others, without saying anything of its
// secret.
func (r Robot) Credential() string { return "" }

// Create makes a robot with one access key, and returns its secret, which is
// not kept. A zero expires stands for never. Errors: ErrInvalid, ErrExists.
func (l *Ledger) Create(ctx context.Context, name string, groups []string, expires time.Time) (Robot, string, error) {
	return Robot{}, "", ErrAbsent
}

// Robots returns all access keys that have not expired, sorted by name, the
// oldest of a name first.
func (l *Ledger) Robots(ctx context.Context) ([]Robot, error) { return nil, ErrAbsent }

// Robot returns an access key by its id. Errors: ErrAbsent, also for one that
// has expired.
func (l *Ledger) Robot(ctx context.Context, id string) (Robot, error) { return Robot{}, ErrAbsent }

// Revoke ends an access key, or all of a robot's by its name, and with them the
// tokens made with them. It returns the ids. Errors: ErrAbsent.
func (l *Ledger) Revoke(ctx context.Context, idOrName string) ([]string, error) {
	return nil, ErrAbsent
}

// Rotate gives a robot a new access key, good for as long as the newest was
// made for. The old ones end after overlap, or when they would have anyway.
// Errors: ErrAbsent, ErrInvalid.
func (l *Ledger) Rotate(ctx context.Context, name string, overlap time.Duration) (Robot, string, error) {
	return Robot{}, "", ErrAbsent
}

// Used remembers that an access key was used today. It writes at most once a
// day.
func (l *Ledger) Used(ctx context.Context, id string) error { return ErrAbsent }
