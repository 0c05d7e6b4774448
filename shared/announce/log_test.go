package announce_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
	tablestore "github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func openTable(t testing.TB) table.Store {
	t.Helper()
	store, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// logged is an event about a tag, which its id is as well.
func logged(repo, id string) announce.Event {
	return announce.Event{
		SpecVersion: "1.0", ID: id, Type: announce.TypePrefix + "tag.created", Subject: repo + ":" + id, Data: json.RawMessage(`{}`),
	}
}

func publish(t testing.TB, l *announce.Log, events ...announce.Event) {
	t.Helper()
	if err := l.Publish(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// idsAfter reads at most n events and returns their ids, and the position of the
// last.
func idsAfter(t testing.TB, l *announce.Log, repo string, after int64, n int) (ids []string, at int64) {
	t.Helper()
	at = after
	err := l.Read(t.Context(), repo, after, func(position int64, event string) bool {
		if position <= at {
			t.Errorf("position %d follows %d", position, at)
		}
		at, ids = position, append(ids, idOf(t, event))
		return len(ids) < n
	})
	if err != nil {
		t.Error(err)
	}
	return ids, at
}

func idOf(t testing.TB, event string) string {
	t.Helper()
	var e announce.Event
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		t.Errorf("event %q: %v", event, err)
	}
	return e.ID
}

func wantIDs(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLogIsReadFromAnywhere(t *testing.T) {
	store := openTable(t)
	l := announce.NewLog(store, time.Now)
	if at, err := l.Head(t.Context(), "app"); at != 0 || err != nil {
		t.Errorf("head of nothing: %d, %v", at, err)
	}
	begun := time.Now()
	publish(t, l, logged("app", "1"), logged("other", "x"), logged("app", "2"), logged("app", "3"))
	publish(t, l, logged("app", "4"))

	other := announce.NewLog(store, time.Now) // of another process
	all, end := idsAfter(t, other, "app", 0, 100)
	wantIDs(t, all, "1", "2", "3", "4")
	if head, err := other.Head(t.Context(), "app"); head != end || err != nil {
		t.Errorf("head: %d, %v, want %d", head, err, end)
	}
	if passed := end - begun.UnixMicro(); passed < 0 || passed > time.Minute.Microseconds() {
		t.Errorf("position %d is no time of now", end)
	}
	// A page may end at any event, also within a run.
	var one []string
	for at := int64(0); at != end; {
		var ids []string
		ids, at = idsAfter(t, other, "app", at, 1)
		one = append(one, ids...)
	}
	wantIDs(t, one, "1", "2", "3", "4")
	for _, after := range []int64{end, end + 1, 1 << 62} {
		none, _ := idsAfter(t, other, "app", after, 100)
		wantIDs(t, none)
	}
	before, _ := idsAfter(t, other, "app", -1, 100)
	wantIDs(t, before, "1", "2", "3", "4")
	x, _ := idsAfter(t, other, "other", 0, 100)
	wantIDs(t, x, "x")
	none, _ := idsAfter(t, other, "ap", 0, 100)
	wantIDs(t, none)
}

// A repository, a manifest and a tag are told apart in what an event is about.
func TestLogKnowsTheRepository(t *testing.T) {
	l := announce.NewLog(openTable(t), time.Now)
	var want []string
	for i, about := range []string{"team/app", "team/app:1", "team/app@sha256:" + strings.Repeat("0", 64)} {
		id := fmt.Sprint(i)
		publish(t, l, announce.Event{ID: id, Subject: about})
		want = append(want, id)
	}
	got, _ := idsAfter(t, l, "team/app", 0, 100)
	wantIDs(t, got, want...)
}

func TestLogForgetsAfterADay(t *testing.T) {
	now := time.Now()
	l := announce.NewLog(openTable(t), func() time.Time { return now })
	publish(t, l, logged("app", "old"))
	_, old := idsAfter(t, l, "app", 0, 1)
	now = now.Add(announce.Keep / 2)
	publish(t, l, logged("app", "new"))
	got, _ := idsAfter(t, l, "app", 0, 100)
	wantIDs(t, got, "old", "new")
	now = now.Add(announce.Keep/2 + time.Second)
	got, _ = idsAfter(t, l, "app", 0, 100)
	wantIDs(t, got, "new")
	// Who was away for long goes on with what there still is.
	got, _ = idsAfter(t, l, "app", old, 100)
	wantIDs(t, got, "new")
}

// The table may keep what has expired for days. Who asks for all does not have it
// read.
func TestLogPassesOverWhatItForgot(t *testing.T) {
	now := time.Now()
	store := &late{Store: openTable(t), missing: func(table.Item) bool { return false }}
	l := announce.NewLog(store, func() time.Time { return now })
	large := json.RawMessage(`"` + strings.Repeat("x", announce.MaxEvent-1<<10) + `"`)
	for i := range 20 {
		old := logged("app", fmt.Sprint(i))
		old.Data = large
		publish(t, l, old)
	}
	now = now.Add(announce.Keep + time.Minute)
	publish(t, l, logged("app", "new"))
	got, _ := idsAfter(t, l, "app", 0, 100)
	wantIDs(t, got, "new")
	if store.queries != 1 {
		t.Errorf("%d queries, want 1", store.queries)
	}
}

// Events are told by several processes, whose clocks differ by hours and whose
// requests fail before or after they are done. Whoever follows the log from the
// beginning sees all that was published, and nothing appears behind them.
func TestNothingIsMissedWhateverClocksSay(t *testing.T) {
	store := openTable(t)
	const writers, each = 4, 60
	var writing sync.WaitGroup
	done, wanted := make(chan struct{}), sync.Map{}
	for w := range writers {
		rng := rand.New(rand.NewPCG(1, uint64(w)))
		var mu sync.Mutex
		faulty := tabletest.NewFaulty(store, func(tabletest.Call) tabletest.Fault {
			mu.Lock()
			defer mu.Unlock()
			return []tabletest.Fault{tabletest.FailBefore, tabletest.FailAfter, tabletest.Proceed, tabletest.Proceed}[rng.IntN(4)]
		})
		off := time.Duration(w-writers/2) * time.Hour
		l := announce.NewLog(faulty, func() time.Time { return time.Now().Add(off) })
		writing.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				for l.Publish(t.Context(), []announce.Event{logged("app", id), logged("app", id+"+")}) != nil {
					if t.Context().Err() != nil {
						return
					}
				}
				wanted.Store(id, true)
				wanted.Store(id+"+", true)
			}
		})
	}
	go func() { writing.Wait(); close(done) }()

	reader, seen, at := announce.NewLog(store, time.Now), map[string]bool{}, int64(0)
	var inOrder []string
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		var ids []string
		ids, at = idsAfter(t, reader, "app", at, 7)
		for len(ids) > 0 && last { // to the end
			inOrder = append(inOrder, ids...)
			ids, at = idsAfter(t, reader, "app", at, 7)
		}
		inOrder = append(inOrder, ids...)
	}
	for _, id := range inOrder {
		seen[id] = true
	}
	wanted.Range(func(id, _ any) bool {
		if !seen[id.(string)] {
			t.Errorf("%s was published and not seen", id)
		}
		return true
	})
	if len(seen) != 2*writers*each {
		t.Errorf("saw %d events, want %d", len(seen), 2*writers*each)
	}
	all, _ := idsAfter(t, reader, "app", 0, 1<<20)
	wantIDs(t, inOrder, all...)
}

// late is a store one of whose queries misses an item that is there, as
// DynamoDB's may whose page has passed the place before it was written.
type late struct {
	table.Store
	queries int
	missing func(table.Item) bool
}

func (s *late) Query(ctx context.Context, q table.Query) (table.Page, error) {
	page, err := s.Store.Query(ctx, q)
	if s.queries++; s.queries == 1 {
		page.Items = slices.DeleteFunc(page.Items, s.missing)
	}
	return page, err
}

func TestAPageThatOverlooksARun(t *testing.T) {
	store := openTable(t)
	l := announce.NewLog(store, time.Now)
	for _, id := range []string{"1", "2", "3"} {
		publish(t, l, logged("app", id))
	}
	for _, missed := range []string{"1", "2", "3"} {
		half := &late{Store: store, missing: func(it table.Item) bool { return strings.Contains(it.Str("events"), `"id":"`+missed+`"`) }}
		got, at := idsAfter(t, announce.NewLog(half, time.Now), "app", 0, 100)
		rest, _ := idsAfter(t, announce.NewLog(half, time.Now), "app", at, 100)
		wantIDs(t, append(got, rest...), "1", "2", "3")
	}
}

// One that is gone for good, before its time, must not keep a reader from the
// rest.
func TestARunThatIsGone(t *testing.T) {
	store := openTable(t)
	l := announce.NewLog(store, time.Now)
	for _, id := range []string{"1", "2", "3"} {
		publish(t, l, logged("app", id))
	}
	page, err := store.Query(t.Context(), table.Query{Partition: "events#app", Prefix: "at#"})
	if err != nil || len(page.Items) != 3 {
		t.Fatalf("%d runs, %v", len(page.Items), err)
	}
	if err := table.Send(t.Context(), store, table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Delete(page.Items[1].Key)}}); err != nil {
		t.Fatal(err)
	}
	got, _ := idsAfter(t, l, "app", 0, 100)
	wantIDs(t, got, "1", "3")
}

// What could not be kept is said, and what is behind it of the same repository.
func TestLogSaysWhatItHasNot(t *testing.T) {
	faulty := tabletest.NewFaulty(openTable(t), func(c tabletest.Call) tabletest.Fault {
		if c.Method == tabletest.Transact && c.Tx.Actions[0].Key.Partition == "events#bad" {
			return tabletest.FailBefore
		}
		return tabletest.Proceed
	})
	l := announce.NewLog(faulty, time.Now)
	err := l.Publish(t.Context(), []announce.Event{logged("good", "1"), logged("bad", "2"), logged("good", "3"), logged("bad", "4")})
	var some *announce.Unpublished
	if !errors.As(err, &some) || !errors.Is(err, tabletest.ErrFault) {
		t.Fatalf("got %v", err)
	}
	if !slices.Equal(some.Failed, []int{1, 3}) {
		t.Errorf("failed: %v, want 1 and 3", some.Failed)
	}
	got, _ := idsAfter(t, l, "good", 0, 100)
	wantIDs(t, got, "1", "3")
}

// A hundred of the largest events fit into as many items as they need.
func TestLogOfLargeEvents(t *testing.T) {
	l := announce.NewLog(openTable(t), time.Now)
	large := json.RawMessage(`"` + strings.Repeat("x", announce.MaxEvent-1<<10) + `"`)
	var events []announce.Event
	var want []string
	for i := range 10 {
		e := logged("app", fmt.Sprint(i))
		if i%3 != 0 {
			e.Data = large
		}
		events, want = append(events, e), append(want, e.ID)
	}
	publish(t, l, events...)
	got, _ := idsAfter(t, l, "app", 0, 100)
	wantIDs(t, got, want...)
}

func TestFollow(t *testing.T) {
	l := announce.NewLog(openTable(t), time.Now)
	added, stop := l.Follow("app")
	publish(t, l, logged("other", "1"))
	select {
	case <-added:
		t.Error("woken by another repository")
	default:
	}
	publish(t, l, logged("app", "1"))
	publish(t, l, logged("app", "2"))
	select {
	case <-added:
	default:
		t.Error("not woken")
	}
	got, _ := idsAfter(t, l, "app", 0, 100)
	wantIDs(t, got, "1", "2")
	stop()
	publish(t, l, logged("app", "3"))
	select {
	case <-added:
		t.Error("woken after the end")
	default:
	}
}

func BenchmarkLogPublish(b *testing.B) {
	l := announce.NewLog(openTable(b), time.Now)
	for n := 0; b.Loop(); n++ {
		publish(b, l, logged("app", fmt.Sprint(n)))
	}
}
