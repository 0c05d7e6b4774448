package ledger_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func key(id string, from, until time.Time) token.PublicKey {
	return token.PublicKey{ID: id, Key: make(ed25519.PublicKey, ed25519.PublicKeySize), From: from, Until: until}
}

// published are the keys in force, as text.
func published(t *testing.T, l *ledger.Ledger) []string {
	t.Helper()
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, k := range s.Keys {
		out = append(out, fmt.Sprint(k.ID, " until ", k.Until.UTC()))
	}
	return out
}

// However late somebody publishes what they once knew, the result is that of
// all together, and what has ended stays so.
func TestOrderOfPublishingMakesNoDifference(t *testing.T) {
	c := newClock()
	now := c.now()
	lists := [][]token.PublicKey{
		{key("a", now, time.Time{})},
		{key("a", now, now.Add(time.Hour)), key("b", now, time.Time{})},
		{key("b", now, now.Add(-time.Hour)), key("c", now, time.Time{})}, // b is withdrawn
		{key("old", now, now.Add(-48*time.Hour))},
	}
	want := []string{
		fmt.Sprint("a until ", now.Add(time.Hour).UTC()),
		fmt.Sprint("b until ", now.Add(-time.Hour).UTC()),
		fmt.Sprint("c until ", time.Time{}),
	}
	for range 10 {
		b := newBook(embedded(t))
		for _, i := range rand.Perm(len(lists)) {
			if err := b.PublishKeys(t.Context(), lists[i]); err != nil {
				t.Fatal(err)
			}
		}
		if got := published(t, b.Ledger); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestPublishersDoNotOverwriteEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, b book) {
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				if err := b.beside().PublishKeys(t.Context(), []token.PublicKey{key(fmt.Sprint(i), b.now(), time.Time{})}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := published(t, b.Ledger); len(got) != 6 {
			t.Errorf("got %v, want six keys", got)
		}
	})
}

func TestKeysOfLongAgoAreDropped(t *testing.T) {
	b := newBook(embedded(t))
	if err := b.PublishKeys(t.Context(), []token.PublicKey{key("a", b.now(), b.now())}); err != nil {
		t.Fatal(err)
	}
	b.pass(24 * time.Hour)
	if err := b.PublishKeys(t.Context(), []token.PublicKey{key("b", b.now(), time.Time{})}); err != nil {
		t.Fatal(err)
	}
	if got := published(t, b.Ledger); len(got) != 1 {
		t.Errorf("got %v, want b alone", got)
	}
}

// Every cold start of who signs publishes what is published.
func TestKnownKeysAreNotWritten(t *testing.T) {
	counting := tabletest.NewCounting(embedded(t))
	b := newBook(counting)
	keys := []token.PublicKey{key("a", b.clock.now(), time.Time{}), key("b", b.clock.now(), b.clock.now().Add(time.Hour))}
	for i, want := range []int{1, 0, 0} {
		counting.Reset()
		if err := b.PublishKeys(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		if got := counting.Reset().Transacts; got != want {
			t.Errorf("publishing %d times: the last one is %d writes, want %d", i+1, got, want)
		}
	}
}
