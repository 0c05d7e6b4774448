package ledger_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// Whatever is done, these are the keys that are written: all in the partition
// to which the function that makes tokens is kept, and none with a name that
// somebody typed.
func TestKeys(t *testing.T) {
	written := map[string]bool{}
	var mu sync.Mutex
	b := newBook(tabletest.NewFaulty(embedded(t), func(c tabletest.Call) tabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range c.Tx.Actions {
			written[form(a.Key)] = true
		}
		return tabletest.Proceed
	}))
	b.setPolicy(t, "team")
	r, _ := b.create(t, "ci", time.Time{})
	_, _, rotated := b.Rotate(t.Context(), "ci", time.Hour)
	_, revoked := b.Revoke(t.Context(), "ci")
	for _, err := range []error{
		rotated, revoked,
		b.PublishKeys(t.Context(), []token.PublicKey{key("a", b.now(), time.Time{})}),
		b.Failed(t.Context(), ledger.ByIdentity("hunter2"), ledger.ByAddress("192.0.2.1")),
		b.Used(t.Context(), r.ID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"access attempt#<hash>", "access keys", "access policy", "access revoked", "access robot#<key id>", "access source"}
	if got := slices.Sorted(maps.Keys(written)); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var (
	inRobot   = regexp.MustCompile(`#robot-[a-z2-7]{16}$`)
	inAttempt = regexp.MustCompile(`#[0-9a-f]{32}$`)
)

func form(k table.Key) string {
	sort := inRobot.ReplaceAllString(k.Sort, "#<key id>")
	return k.Partition + " " + inAttempt.ReplaceAllString(sort, "#<hash>")
}
