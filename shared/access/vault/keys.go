package vault

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/berthregistry/berth/shared/access/token"
)

// How keys become known, and are forgotten.
const (
	// settle is after what time everybody who verifies has read a key that was
	// published. Only then it signs.
	settle = 30 * time.Second
	// fresh is for how long the document is used before it is read again, so a
	// key that was replaced elsewhere may sign for so much longer.
	fresh = time.Minute
	// stale is for how long it is used where it can't be read.
	stale = 10 * time.Minute
	// retry is how soon it is tried again then.
	retry = 10 * time.Second
)

// Keys signs tokens with what a Vault keeps. It is safe for concurrent use.
type Keys struct {
	vault   Vault
	publish func(context.Context, []token.PublicKey) error
	now     func() time.Time
	turn    chan struct{} // held by whoever reads or writes the vault
	held    atomic.Pointer[held]
}

// held is the document in memory. It is not changed.
type held struct {
	document
	version string
	read    time.Time
	due     time.Time // when it is to be read again
}

// Open returns the Keys of a vault. It makes no call: a vault that is empty gets
// its first key when that is needed. No key signs before publish has returned
// for it; publish is given keys that it may have been given before. Nil stands
// for time.Now.
func Open(v Vault, publish func(context.Context, []token.PublicKey) error, now func() time.Time) *Keys {
	if now == nil {
		now = time.Now
	}
	return &Keys{vault: v, publish: publish, now: now, turn: make(chan struct{}, 1)}
}

// Sign returns the text of an access token. Where the vault can't be read keys
// are used as they were at most ten minutes ago.
func (k *Keys) Sign(ctx context.Context, t token.Token) (string, error) {
	ring, err := k.ring(ctx)
	if err != nil {
		return "", err
	}
	return ring.Sign(t, k.now())
}

// SignRefresh is Sign for a refresh token.
func (k *Keys) SignRefresh(ctx context.Context, r token.Refresh) (string, error) {
	ring, err := k.ring(ctx)
	if err != nil {
		return "", err
	}
	return ring.SignRefresh(r, k.now())
}

// Rotate has a new key sign, half a minute from now, and returns it. The others
// verify until what they sign up to then has expired, if no token lives longer
// than life.
//
// A key that waits to sign already is the new one: who does not know whether
// they rotated asks again, and of several who do so at once nobody rotates
// twice.
func (k *Keys) Rotate(ctx context.Context, life time.Duration) (token.PublicKey, error) {
	if err := k.enter(ctx); err != nil {
		return token.PublicKey{}, err
	}
	defer k.leave()
	var waiting token.PublicKey
	_, err := k.bring(ctx, func(d document) (document, bool, error) {
		var done bool
		if waiting, done = d.pending(k.now()); done {
			return d, true, nil
		}
		return d.rotated(k.now(), life)
	})
	if err != nil {
		return token.PublicKey{}, fmt.Errorf("rotate the keys of tokens: %w", err)
	}
	return waiting, nil
}

// Withdraw ends all keys now and has a new one sign, which it returns. What they
// have signed is refused wherever it is published that they ended. Another
// process may sign with them for a minute yet: what it signs is refused too.
func (k *Keys) Withdraw(ctx context.Context) (token.PublicKey, error) {
	if err := k.enter(ctx); err != nil {
		return token.PublicKey{}, err
	}
	defer k.leave()
	key, err := token.Generate(whole(k.now()))
	if err == nil {
		_, err = k.bring(ctx, func(d document) (document, bool, error) {
			return d.withdrawn(key, k.now()), d.has(key.ID), nil
		})
	}
	if err != nil {
		return token.PublicKey{}, fmt.Errorf("withdraw the keys of tokens: %w", err)
	}
	return key.PublicKey, nil
}

// ring returns the keys, from memory as a rule.
func (k *Keys) ring(ctx context.Context) (token.Keyring, error) {
	if h := k.held.Load(); h != nil && k.now().Before(h.due) {
		return h.Keys, nil
	}
	if err := k.enter(ctx); err != nil {
		return nil, err
	}
	defer k.leave()
	last := k.held.Load()
	if last != nil && k.now().Before(last.due) { // somebody else has read it
		return last.Keys, nil
	}
	h, err := k.bring(ctx, func(d document) (document, bool, error) { return d.first(k.now()) })
	switch {
	case err == nil:
		return h.Keys, nil
	case last != nil && k.now().Sub(last.read) < stale:
		later := *last
		later.due = k.now().Add(retry)
		k.held.Store(&later)
		return last.Keys, nil
	}
	return nil, fmt.Errorf("read the keys of tokens: %w", err)
}

func (k *Keys) enter(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the keys of tokens: %w", ctx.Err())
	}
}

func (k *Keys) leave() { <-k.turn }

// How often, and after what first pause, a change is tried while others write.
const (
	tries     = 6
	firstWait = 50 * time.Millisecond
)

// bring changes what is in the vault until it is as wanted, and then publishes
// its keys. What is published was read: so whoever lost a race publishes the
// winner's. A crash leaves
//
//   - before a Store: nothing;
//   - after it: keys that nobody has signed with. Whoever reads them next
//     publishes them, then signs;
//   - after publish: nothing to do.
func (k *Keys) bring(ctx context.Context, wanted func(document) (next document, done bool, err error)) (*held, error) {
	for try := range tries {
		now, d, version, err := k.load(ctx)
		if err != nil {
			return nil, err
		}
		next, done, err := wanted(d)
		if err != nil {
			return nil, err
		}
		if done {
			return k.take(ctx, &held{document: d, version: version, read: now, due: now.Add(fresh)})
		}
		err = k.store(ctx, next, version)
		if errors.Is(err, ErrConflict) {
			err = wait(ctx, firstWait<<try)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w, again and again", ErrConflict)
}

func (k *Keys) load(ctx context.Context) (time.Time, document, string, error) {
	now := k.now()
	text, version, err := k.vault.Load(ctx)
	if errors.Is(err, ErrAbsent) {
		return now, document{}, "", nil
	}
	if err != nil {
		return now, document{}, "", err
	}
	d, err := parse(text)
	return now, d, version, err
}

func (k *Keys) store(ctx context.Context, d document, ifVersion string) error {
	text, err := d.text()
	if err != nil {
		return err
	}
	return k.vault.Store(ctx, text, ifVersion)
}

// take publishes what is new to this process, and uses it from here on. So keys
// that were lost where they are published come back. The version alone does not
// tell: where a vault was emptied, its versions may begin anew.
func (k *Keys) take(ctx context.Context, h *held) (*held, error) {
	if last := k.held.Load(); last == nil || last.version != h.version || !h.has(last.newest()) {
		if err := k.publish(ctx, h.public()); err != nil {
			return nil, fmt.Errorf("publish keys: %w", err)
		}
	}
	k.held.Store(h)
	return h, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
