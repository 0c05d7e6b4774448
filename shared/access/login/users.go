package login

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
)

// users lets in who has a password in a file.
type users struct {
	file  *file
	key   []byte        // known to this process alone
	slots chan struct{} // one for each hash that may be computed at once
	now   func() time.Time

	mu      sync.Mutex
	correct map[string]verified // by user
}

// verified is a password that was right not long ago.
type verified struct {
	mac   []byte // of user, hash and password
	until time.Time
}

// rememberFor is how long a right password need not be hashed again: clients
// that use Basic send it with each request, and a hash takes 50 ms on purpose.
const rememberFor = time.Minute

var (
	_ Personal = (*users)(nil)
	_ Renewer  = (*users)(nil)
)

// Users is the provider of the users in an htpasswd file: a line per user,
// name and hash with a colon between them. Hashes are bcrypt's ($2a$, $2b$,
// $2y$) or argon2id's PHC strings. The file is read again when it has changed;
// an error in it is returned here, and later leaves the users as they were. Now
// is the time, time.Now if nil.
//
// It takes all users, so it comes last.
func Users(path string, log *slog.Logger, now func() time.Time) (Provider, error) {
	if now == nil {
		now = time.Now
	}
	f, err := openFile(path, log, now)
	if err != nil {
		return nil, err
	}
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	return &users{file: f, key: key, slots: slots, now: now, correct: map[string]verified{}}, nil
}

// Takes implements Provider. What is another's by its form is not ours, also
// where that other is not there.
func (*users) Takes(user string) bool { return user != "" && !ledger.IsID(user) && !reserved(user) }

// Personal implements Personal.
func (*users) Personal() {}

// Login implements Provider. A user who is not there is held against the hash
// of another, always the same one, and takes as long to refuse.
func (u *users) Login(ctx context.Context, c Credentials, _ *access.Policy) (Identity, error) {
	known := u.file.users(ctx)
	e, ok := known.byName[c.User]
	if !ok {
		e = known.decoy(u.mac("decoy", c.User))
	}
	matches, err := u.matches(ctx, c, e)
	switch {
	case err != nil:
		return Identity{}, err
	case !ok:
		return Identity{}, fmt.Errorf("%w: no such user", ErrRefused)
	case !matches:
		return Identity{}, fmt.Errorf("%w: wrong password", ErrRefused)
	}
	return userIdentity(e), nil
}

// matches says whether the password is that of the entry.
func (u *users) matches(ctx context.Context, c Credentials, e entry) (bool, error) {
	mac := u.mac(c.User, e.text, c.Secret)
	if u.remembers(c.User, mac) {
		return true, nil
	}
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	case <-ctx.Done():
		return false, fmt.Errorf("wait to verify a password: %w", ctx.Err())
	}
	if e.hash == nil || !e.hash.matches(c.Secret) {
		return false, nil
	}
	if e.name == c.User { // and not a decoy that happens to have this password
		u.remember(c.User, mac)
	}
	return true, nil
}

func (u *users) remembers(user string, mac []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	v, ok := u.correct[user]
	return ok && u.now().Before(v.until) && subtle.ConstantTimeCompare(v.mac, mac) == 1
}

// remember keeps one password per user, so no more than the file has.
func (u *users) remember(user string, mac []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	for name, v := range u.correct {
		if !now.Before(v.until) {
			delete(u.correct, name)
		}
	}
	u.correct[user] = verified{mac: mac, until: now.Add(rememberFor)}
}

// mac is a hash that nobody outside this process can compute or invert.
func (u *users) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, u.key)
	for _, part := range parts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // so that parts do not run together
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// Renews implements Renewer.
func (*users) Renews(who access.Principal) bool { return who.Kind == access.User }

// Renew implements Renewer.
func (u *users) Renew(ctx context.Context, id Identity) (Identity, error) {
	e, ok := u.file.users(ctx).byName[id.Principal.Name]
	switch {
	case !ok:
		return Identity{}, fmt.Errorf("%w: the user is gone", ErrRefused)
	case !same(id.Credential, credentialOf(e)):
		return Identity{}, fmt.Errorf("%w: the password was changed", ErrRefused)
	}
	return userIdentity(e), nil
}

func userIdentity(e entry) Identity {
	return Identity{
		Principal:  access.Principal{Kind: access.User, Name: e.name},
		Credential: credentialOf(e),
	}
}

// credentialOf tells a user's hash from an earlier one. The salt in it keeps
// anybody from trying passwords against it.
func credentialOf(e entry) string {
	sum := sha256.Sum256([]byte("credential of " + e.name + " " + e.text))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
