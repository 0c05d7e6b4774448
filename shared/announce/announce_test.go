package announce_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// tagged is the change that makes a tag; the tag is the subject of its event.
func tagged(tag string) table.Change {
	return table.Change{
		ID: tag, At: time.Unix(1700000000, 0), Key: table.Key{Partition: "repo#team/app", Sort: "tag#" + tag},
		New: &table.Item{Version: "v", Attrs: table.Attrs{table.S("digest", string(app))}},
	}
}

// meaningless is a change that is nobody's business.
func meaningless() table.Change {
	return table.Change{ID: "x", Key: table.Key{Partition: "repo#team/app", Sort: "upload#1"}, New: &table.Item{Version: "v"}}
}

// attached is the change that attaches the nth SBOM to a subject.
func attached(subject oci.Digest, n int, annotations map[string]string) table.Change {
	d := oci.SHA256.Sum(fmt.Append(nil, n))
	descriptor, _ := json.Marshal(oci.Descriptor{
		MediaType: oci.MediaTypeImage, Digest: d, Size: 1, ArtifactType: spdx, Annotations: annotations,
	}) // of strings: it does not fail
	return table.Change{
		ID: fmt.Sprint(n), At: time.Unix(1700000000, 0),
		Key: table.Key{Partition: "repo#team/app", Sort: "referrer#" + string(subject) + "#" + spdx + "#" + string(d)},
		New: &table.Item{Version: "v", Attrs: table.Attrs{table.B("descriptor", descriptor)}},
	}
}

func announcer(tab table.Store, to ...announce.Publisher) *announce.Announcer {
	return &announce.Announcer{
		Source: "https://registry.example", Registry: registry.New(tab, nil, registry.Options{}), To: to, Log: quiet(),
	}
}

func tags(events []announce.Event) string {
	var out []string
	for _, e := range events {
		out = append(out, strings.TrimPrefix(e.Subject, "team/app:"))
	}
	return strings.Join(out, " ")
}

// failing lets the events about some tags fail, and says so or not.
func failing(says bool, names ...string) func([]announce.Event) error {
	return func(events []announce.Event) error {
		var failed []int
		for i, e := range events {
			if slices.Contains(names, tags([]announce.Event{e})) {
				failed = append(failed, i)
			}
		}
		switch {
		case failed == nil:
			return nil
		case says:
			return &announce.Unpublished{Failed: failed, Err: errFull}
		}
		return errFull
	}
}

var errFull = errors.New("the tape is full")

func TestAnnounceSaysHowMuchIsDone(t *testing.T) {
	changes := []table.Change{meaningless(), tagged("a"), meaningless(), tagged("b"), tagged("c"), meaningless()}
	for name, c := range map[string]struct {
		changes       []table.Change
		first, second func([]announce.Event) error
		done          int
		took          [2]string
	}{
		"nothing":                {nil, nil, nil, 0, [2]string{}},
		"nothing of meaning":     {changes[:1], nil, nil, 1, [2]string{}},
		"all":                    {changes, nil, nil, 6, [2]string{"a b c", "a b c"}},
		"one does not take some": {changes, failing(true, "b"), nil, 3, [2]string{"a c", "a b c"}},
		"nor the other":          {changes, failing(true, "c"), failing(true, "b", "c"), 3, [2]string{"a b", "a"}},
		"the last":               {changes, nil, failing(true, "c"), 4, [2]string{"a b c", "a b"}},
		"the first":              {changes, failing(true, "a", "b"), nil, 1, [2]string{"c", "a b c"}},
		"one says only that":     {changes, failing(false, "c"), nil, 1, [2]string{"", "a b c"}},
		"it says nothing": {changes, nil, func([]announce.Event) error { return &announce.Unpublished{Err: errFull} },
			1, [2]string{"a b c", "a b c"}},
		"it says nonsense": {changes, nil, func([]announce.Event) error {
			return &announce.Unpublished{Failed: []int{99}, Err: errFull}
		}, 4, [2]string{"a b c", "a b c"}},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := &tape{fail: c.first}, &tape{fail: c.second}
			done, err := announcer(localTable(t), first, second).Announce(t.Context(), c.changes)
			if done != c.done || (err == nil) != (done == len(c.changes)) || err != nil && !errors.Is(err, errFull) {
				t.Errorf("%d done, %v, want %d", done, err, c.done)
			}
			if got := [2]string{tags(first.events), tags(second.events)}; got != c.took {
				t.Errorf("took %q, want %q", got, c.took)
			}
		})
	}
}

// However much comes at once, publishers get little at a time, and what went well
// before a failure need not come again.
func TestAnnounceInParts(t *testing.T) {
	var changes []table.Change
	for n := range 2*announce.MaxEvents + 7 {
		changes = append(changes, tagged(fmt.Sprint("t", n)), meaningless())
	}
	var out tape
	if done, err := announcer(localTable(t), &out).Announce(t.Context(), changes); done != len(changes) || err != nil {
		t.Fatalf("%d of %d done, %v", done, len(changes), err)
	}
	if want := []int{announce.MaxEvents, announce.MaxEvents, 7}; !slices.Equal(out.sizes, want) || len(out.events) != 207 {
		t.Errorf("got parts of %v, want %v", out.sizes, want)
	}
	out = tape{fail: failing(true, "t150")}
	if done, err := announcer(localTable(t), &out).Announce(t.Context(), changes); done != 300 || err == nil {
		t.Errorf("%d done, %v, want 300", done, err)
	}
	if len(out.sizes) != 2 {
		t.Errorf("got %d parts, want 2: it goes on behind a failure", len(out.sizes))
	}
}

func TestAnnounceInPartsOfBytes(t *testing.T) {
	var changes []table.Change
	for n := range announce.MaxEvents {
		changes = append(changes, attached(app, n, map[string]string{"x": strings.Repeat("x", 30<<10)}))
	}
	var out tape
	if done, err := announcer(localTable(t), &out).Announce(t.Context(), changes); done != len(changes) || err != nil {
		t.Fatalf("%d done, %v", done, err)
	}
	if len(out.sizes) < 3 || slices.Max(out.sizes) > 35 {
		t.Errorf("3 MB came in parts of %v", out.sizes)
	}
}

// What can't be told now does not keep what came before it from being told.
func TestAnnounceStopsWhereItCannotRead(t *testing.T) {
	var failed atomic.Bool // once is enough
	tab := tabletest.NewFaulty(localTable(t), func(c tabletest.Call) tabletest.Fault {
		if c.Key.Sort == "manifest#"+string(next) && !failed.Swap(true) {
			return tabletest.FailBefore
		}
		return tabletest.Proceed
	})
	var out tape
	changes := []table.Change{tagged("a"), attached(app, 1, nil), meaningless(), attached(next, 2, nil), tagged("b")}
	done, err := announcer(tab, &out).Announce(t.Context(), changes)
	if done != 3 || !errors.Is(err, tabletest.ErrFault) || len(out.events) != 2 {
		t.Errorf("%d done, %v, %d events, want 3, a fault and 2", done, err, len(out.events))
	}
	if done, err := announcer(tab, &out).Announce(t.Context(), changes[done:]); done != 2 || err != nil {
		t.Errorf("the rest: %d done, %v", done, err)
	}
}

// A subject to which much is attached at once is read once.
func TestSubjectsAreReadOnce(t *testing.T) {
	tab := tabletest.NewCounting(localTable(t))
	var changes []table.Change
	for n := range announce.MaxEvents {
		changes = append(changes, attached([]oci.Digest{app, next}[n%2], n, nil))
	}
	var out tape
	if _, err := announcer(tab, &out).Announce(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if got := tab.Reset(); got != (tabletest.Counts{Gets: 2, Queries: 2}) || len(out.events) != announce.MaxEvents {
		t.Errorf("%d events took %+v, want two reads and two queries", len(out.events), got)
	}
}

func TestAnnounceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := tape{}
	done, err := announcer(localTable(t), &out).Announce(ctx, []table.Change{attached(app, 1, nil)})
	if done != 0 || !errors.Is(err, context.Canceled) || len(out.events) != 0 {
		t.Errorf("%d done, %v, %d events", done, err, len(out.events))
	}
}

// BenchmarkAnnounce tells of 100 attachments to one subject, as when much is
// attached at once, and of 100 to as many.
func BenchmarkAnnounce(b *testing.B) {
	for name, subjects := range map[string]int{"one subject": 1, "100 subjects": 100} {
		b.Run(name, func(b *testing.B) {
			var changes []table.Change
			for n := range announce.MaxEvents {
				subject := oci.SHA256.Sum(fmt.Append(nil, "subject ", n%subjects))
				changes = append(changes, attached(subject, n, map[string]string{"org.opencontainers.image.created": "2026-11-22T10:01:06Z"}))
			}
			a := announcer(localTable(b), &tape{})
			b.ReportAllocs()
			for b.Loop() {
				a.To[0] = &tape{}
				if _, err := a.Announce(b.Context(), changes); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(changes)), "µs/event")
		})
	}
}

// meeting is a store whose reads wait for each other, eight at a time: of how
// subjects stand, and of where logs end.
type meeting struct {
	table.Store
	mu       sync.Mutex
	arrived  map[bool]int
	complete map[bool]chan struct{}
}

func (m *meeting) Get(ctx context.Context, key table.Key) (table.Item, error) {
	ofSubject := strings.HasPrefix(key.Sort, "manifest#")
	m.mu.Lock()
	if m.arrived[ofSubject]++; m.arrived[ofSubject] == 8 {
		close(m.complete[ofSubject])
	}
	m.mu.Unlock()
	select {
	case <-m.complete[ofSubject]:
		return m.Store.Get(ctx, key)
	case <-time.After(10 * time.Second):
		return table.Item{}, errors.New("nobody else came")
	}
}

// A batch about many subjects takes about as long as one about one.
func TestSubjectsAndLogsSideBySide(t *testing.T) {
	m := &meeting{Store: openTable(t), arrived: map[bool]int{}, complete: map[bool]chan struct{}{true: make(chan struct{}), false: make(chan struct{})}}
	var changes []table.Change
	for i := range 8 {
		for n := range 2 {
			c := attached(app, n, nil)
			c.Key.Partition = fmt.Sprint("repo#team/", i)
			changes = append(changes, c)
		}
	}
	kept := announce.NewLog(m, time.Now)
	if done, err := announcer(m, kept).Announce(t.Context(), changes); done != len(changes) || err != nil {
		t.Errorf("done: %d of %d, %v", done, len(changes), err)
	}
	if n := m.arrived[true]; n != 8 {
		t.Errorf("8 subjects were read %d times", n)
	}
}
