package ledger_test

import (
	"errors"
	"hash/crc32"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func TestRobotIsKeptWithoutItsSecret(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		made, secret := b.create(t, "ci", b.now().Add(time.Hour))
		got, err := b.beside().Robot(t.Context(), made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != "ci" || !slices.Equal(got.Groups, []string{"builders", "readers"}) || !got.Used.IsZero() ||
			!got.Created.Equal(b.now()) || !got.Expires.Equal(b.now().Add(time.Hour)) || got.Credential() != made.Credential() {
			t.Errorf("got %+v, want what was made, %+v", got, made)
		}
		if !got.Matches(secret) || got.Matches(secret[:len(secret)-1]) || got.Matches("") || (ledger.Robot{}).Matches("") {
			t.Error("the secret alone must match")
		}
		item, err := b.store.Get(t.Context(), table.Key{Partition: "access", Sort: "robot#" + made.ID})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range item.Attrs {
			if strings.Contains(a.Str()+string(a.Bin()), secret[6:20]) {
				t.Errorf("attribute %s has the secret in it", a.Name)
			}
		}
	})
}

// Whoever scans for secrets knows ours by form and sum.
func TestSecretsCanBeKnown(t *testing.T) {
	form := regexp.MustCompile(`^berth_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$`)
	b := newBook(embedded(t))
	seen := map[string]bool{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		r, secret := b.create(t, name, time.Time{})
		parts := form.FindStringSubmatch(secret)
		if parts == nil || seen[secret] || !ledger.IsID(r.ID) {
			t.Fatalf("got %s with %s, want it in the form %s", r.ID, secret, form)
		}
		seen[secret] = true
		sum, ok := new(big.Int).SetString(parts[2], 62)
		if !ok || uint32(sum.Uint64()) != crc32.ChecksumIEEE([]byte(parts[1])) {
			t.Errorf("the sum of %s is not that of its digits", secret)
		}
	}
}

func TestIDs(t *testing.T) {
	for s, want := range map[string]bool{
		"robot-abcdefghij234567":  true,
		"robot-abcdefghij23456":   false,
		"robot-abcdefghij2345677": false,
		"robot-ABCDEFGHIJ234567":  false,
		"robot-abcdefghij234561":  false,
		"robot-abcdefgh#j234567":  false,
		"abcdefghij234567":        false,
		"":                        false,
	} {
		if got := ledger.IsID(s); got != want {
			t.Errorf("IsID(%q): got %v, want %v", s, got, want)
		}
	}
}

func TestNamesOfRobots(t *testing.T) {
	b := newBook(embedded(t))
	create := func(name string, groups []string, expires time.Time) error {
		_, _, err := b.Create(t.Context(), name, groups, expires)
		return err
	}
	for _, name := range []string{"", ".ci", "CI", "c i", "c*", "c#", "user:a", strings.Repeat("a", 65), "robot-abcdefghij234567"} {
		if err := create(name, nil, time.Time{}); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("robot %q: got %v, want ErrInvalid", name, err)
		}
	}
	for _, groups := range [][]string{{""}, {"a", "a"}, {"a\nb"}, {"A"}, strings.Split(strings.Repeat("g ", 33), " ")} {
		if err := create("ci", groups, time.Time{}); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("groups %q: got %v, want ErrInvalid", groups, err)
		}
	}
	if err := create("ci", nil, b.now().Add(-time.Minute)); !errors.Is(err, ledger.ErrInvalid) {
		t.Errorf("expired: got %v, want ErrInvalid", err)
	}
	if err := create("team.ci-2_x", nil, time.Time{}); err != nil {
		t.Error(err)
	}
	if err := create("team.ci-2_x", nil, time.Time{}); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("the same name: got %v, want ErrExists", err)
	}
}

func TestExpiredRobotIsAbsent(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		r, _ := b.create(t, "ci", b.now().Add(time.Hour))
		b.create(t, "eternal", time.Time{})
		b.pass(time.Hour - time.Second)
		if _, err := b.Robot(t.Context(), r.ID); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
		b.pass(time.Second)
		if _, err := b.Robot(t.Context(), r.ID); !errors.Is(err, ledger.ErrAbsent) {
			t.Errorf("at its end: got %v, want ErrAbsent", err)
		}
		if got := b.names(t); !slices.Equal(got, []string{"eternal"}) {
			t.Errorf("list: got %v, want the eternal one", got)
		}
		b.create(t, "ci", time.Time{}) // the name is free again
	})
}

// names lists the names of all keys.
func (b book) names(t *testing.T) []string {
	t.Helper()
	robots, err := b.Robots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range robots {
		names = append(names, r.Name)
	}
	return names
}

func TestRobotsAreListedByName(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		for _, name := range []string{"c", "a", "b"} {
			b.create(t, name, time.Time{})
			b.pass(time.Second)
		}
		if _, _, err := b.Rotate(t.Context(), "a", time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := b.names(t); !slices.Equal(got, []string{"a", "a", "b", "c"}) {
			t.Errorf("got %v, want a, a, b, c", got)
		}
	})
}

// A key that is revoked is refused at once, and its tokens wherever the State
// is known.
func TestRevokedKeyIsGone(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		byID, _ := b.create(t, "one", time.Time{})
		byName, _ := b.create(t, "two", time.Time{})
		second, _, err := b.Rotate(t.Context(), "two", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.Revoke(t.Context(), byID.ID); err != nil || !slices.Equal(got, []string{byID.ID}) {
			t.Errorf("by id: got %v, %v", got, err)
		}
		got, err := b.Revoke(t.Context(), "two")
		slices.Sort(got)
		want := []string{byName.ID, second.ID}
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("by name: got %v, %v, want %v", got, err, want)
		}
		s, err := b.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range append(want, byID.ID) {
			if _, err := b.Robot(t.Context(), id); !errors.Is(err, ledger.ErrAbsent) || !s.Revoked[id] {
				t.Errorf("%s: got %v, revoked %v, want it absent and revoked", id, err, s.Revoked[id])
			}
		}
		for _, again := range []string{"two", byID.ID, "nobody", "robot-aaaaaaaaaaaaaaaa", "berth_secret"} {
			if _, err := b.Revoke(t.Context(), again); !errors.Is(err, ledger.ErrAbsent) || strings.Contains(err.Error(), "secret") {
				t.Errorf("revoke %s: got %v, want ErrAbsent", again, err)
			}
		}
	})
}

// After an hour no token is left that a revocation would end.
func TestRevocationsAreForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		old, _ := b.create(t, "old", time.Time{})
		if _, err := b.Revoke(t.Context(), "old"); err != nil {
			t.Fatal(err)
		}
		b.pass(time.Hour + time.Second)
		if s, err := b.State(t.Context()); err != nil || s.Revoked[old.ID] {
			t.Errorf("after an hour: %v, %v", s, err)
		}
		fresh, _ := b.create(t, "new", time.Time{})
		if _, err := b.Revoke(t.Context(), "new"); err != nil {
			t.Fatal(err)
		}
		item, err := b.store.Get(t.Context(), table.Key{Partition: "access", Sort: "revoked"})
		if err != nil || item.Has(old.ID) || !item.Has(fresh.ID) {
			t.Errorf("got %v, %v, want the new one alone", item.Attrs, err)
		}
	})
}

func TestRotation(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		const life = 90 * 24 * time.Hour
		old, oldSecret := b.create(t, "ci", b.now().Add(life))
		b.pass(24 * time.Hour)
		made, secret, err := b.Rotate(t.Context(), "ci", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if made.ID == old.ID || secret == oldSecret || !made.Expires.Equal(b.now().Add(life)) || !slices.Equal(made.Groups, old.Groups) {
			t.Errorf("got %+v, want a new key of the same groups, for as long", made)
		}
		got, err := b.Robot(t.Context(), old.ID)
		if err != nil || !got.Expires.Equal(b.now().Add(time.Hour)) || !got.Matches(oldSecret) {
			t.Errorf("old key: got %+v, %v, want it good for an hour more", got, err)
		}
		b.pass(time.Hour)
		if _, err := b.Robot(t.Context(), old.ID); !errors.Is(err, ledger.ErrAbsent) {
			t.Errorf("old key after the overlap: got %v, want ErrAbsent", err)
		}
		if got, err := b.Robot(t.Context(), made.ID); err != nil || !got.Matches(secret) {
			t.Errorf("new key: %v", err)
		}
	})
}

// A rotation never makes a key live longer, and what a short overlap left of a
// key is not taken for what it was made for.
func TestRotationOfWhatEndsSoon(t *testing.T) {
	b := newBook(embedded(t))
	old, _ := b.create(t, "ci", b.now().Add(2*time.Hour))
	b.pass(time.Hour)
	first, _, err := b.Rotate(t.Context(), "ci", 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Robot(t.Context(), old.ID); err != nil || !got.Expires.Equal(old.Expires) {
		t.Errorf("old key: got %v, %v, want %v", got.Expires, err, old.Expires)
	}
	b.pass(time.Second)
	second, _, err := b.Rotate(t.Context(), "ci", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Revoke(t.Context(), second.ID); err != nil {
		t.Fatal(err)
	}
	third, _, err := b.Rotate(t.Context(), "ci", time.Minute) // from first, which has a minute left
	if err != nil || third.Expires.Sub(third.Created) != first.Expires.Sub(first.Created) {
		t.Errorf("got a key from %v to %v, %v, want one for two hours", third.Created, third.Expires, err)
	}
}

func TestRotationWithoutOverlapRevokes(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		old, _ := b.create(t, "ci", time.Time{})
		made, _, err := b.Rotate(t.Context(), "ci", 0)
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.State(t.Context())
		if err != nil || !s.Revoked[old.ID] || s.Revoked[made.ID] || len(b.names(t)) != 1 || !made.Expires.IsZero() {
			t.Errorf("got %v, %v, want the old key revoked and one key left", s, err)
		}
	})
}

func TestRotationHasBounds(t *testing.T) {
	b := newBook(embedded(t))
	if _, _, err := b.Rotate(t.Context(), "nobody", time.Hour); !errors.Is(err, ledger.ErrAbsent) {
		t.Errorf("nobody: got %v, want ErrAbsent", err)
	}
	b.create(t, "ci", time.Time{})
	for _, overlap := range []time.Duration{-1, 91 * 24 * time.Hour} {
		if _, _, err := b.Rotate(t.Context(), "ci", overlap); !errors.Is(err, ledger.ErrInvalid) {
			t.Errorf("overlap %v: got %v, want ErrInvalid", overlap, err)
		}
	}
	for range 15 {
		if _, _, err := b.Rotate(t.Context(), "ci", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Rotate(t.Context(), "ci", time.Hour); !errors.Is(err, ledger.ErrInvalid) {
		t.Errorf("the 17th key: got %v, want ErrInvalid", err)
	}
	if ids, err := b.Revoke(t.Context(), "ci"); err != nil || len(ids) != 16 {
		t.Errorf("revoke: got %d ids, %v, want 16", len(ids), err)
	}
}

// Whatever a rotation does at the same moment, no key outlives the revocation
// of a name.
func TestRevocationBeatsRotation(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		for range 20 {
			b.create(t, "ci", time.Time{})
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() {
					if _, _, err := b.Rotate(t.Context(), "ci", time.Duration(i/2)*time.Hour); err != nil && !errors.Is(err, ledger.ErrAbsent) {
						t.Error(err)
					}
				})
			}
			all.Go(func() {
				if _, err := b.Revoke(t.Context(), "ci"); err != nil {
					t.Error(err)
				}
			})
			all.Wait()
			if left := b.names(t); len(left) > 0 {
				t.Fatalf("%d keys left", len(left))
			}
		}
	})
}

// The same where the revocation comes between what a rotation reads and what it
// writes.
func TestRevocationAmidRotation(t *testing.T) {
	for _, overlap := range []time.Duration{0, time.Hour} {
		b := newBook(embedded(t))
		b.create(t, "ci", time.Time{})
		var once sync.Once
		store := tabletest.NewFaulty(b.store, func(c tabletest.Call) tabletest.Fault {
			if c.Method == tabletest.Transact {
				once.Do(func() {
					if _, err := b.Revoke(t.Context(), "ci"); err != nil {
						t.Error(err)
					}
				})
			}
			return tabletest.Proceed
		})
		rotating := ledger.New(store, ledger.Options{Now: b.clock.now})
		if _, _, err := rotating.Rotate(t.Context(), "ci", overlap); !errors.Is(err, ledger.ErrAbsent) {
			t.Errorf("overlap %v: got %v, want ErrAbsent", overlap, err)
		}
		if left := b.names(t); len(left) > 0 {
			t.Errorf("overlap %v: %d keys left", overlap, len(left))
		}
	}
}

func TestUseIsRememberedOnceADay(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		store := tabletest.NewCounting(b.store)
		first, second := ledger.New(store, ledger.Options{Now: b.clock.now}), ledger.New(store, ledger.Options{Now: b.clock.now})
		r, _ := b.create(t, "ci", time.Time{})
		use := func() {
			for _, l := range []*ledger.Ledger{first, second, first, second} {
				if err := l.Used(t.Context(), r.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		use()
		if got, want := store.Reset(), (tabletest.Counts{Gets: 2, Transacts: 1, Actions: 1}); got != want {
			t.Errorf("first day: got %+v, want %+v", got, want)
		}
		b.pass(24 * time.Hour)
		use()
		if got := store.Counts().Transacts; got != 1 {
			t.Errorf("second day: %d writes, want 1", got)
		}
		got, err := b.Robot(t.Context(), r.ID)
		if want := b.now().UTC().Truncate(24 * time.Hour); err != nil || !got.Used.Equal(want) {
			t.Errorf("last use: got %v, %v, want %v", got.Used, err, want)
		}
	})
}

// A login and a revocation at once must not bring the key back.
func TestUseDoesNotBringAKeyBack(t *testing.T) {
	for range 20 {
		b := newBook(embedded(t))
		r, _ := b.create(t, "ci", time.Time{})
		var all sync.WaitGroup
		all.Go(func() {
			if err := b.Used(t.Context(), r.ID); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := b.Revoke(t.Context(), r.ID); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if _, err := b.store.Get(t.Context(), table.Key{Partition: "access", Sort: "robot#" + r.ID}); !errors.Is(err, table.ErrAbsent) {
			t.Fatalf("got %v, want it absent", err)
		}
	}
}
