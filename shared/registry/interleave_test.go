package registry_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// weathers are what schedules run in, calm every second time.
var weathers = []weather{
	{name: "calm"},
	{name: "gusty", fault: 0.1, lose: 0.1, crash: 0.01, hangUp: 0.02},
	{name: "calm"},
	{name: "stormy", fault: 0.05, commit: 0.7, crash: 0.02, lull: 0.01},
}

// TestInterleavings runs requests at once, one call of a store at a time, in
// random turns, in all weathers. After each run everything in the stores must
// fit together, and what the clients were told must be explained by some order
// of the requests, one after the other: those that succeeded, and any of those
// whose outcome is not known, but none that was refused.
//
// BERTH_TEST_SCHEDULES says how many turns are tried of each scene.
func TestInterleavings(t *testing.T) {
	schedules := 300
	if s := os.Getenv("BERTH_TEST_SCHEDULES"); s != "" {
		var err error
		if schedules, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := begin(t, sc)
				for seed := range schedules / max(sc.rare, 1) {
					if b.try(t, uint64(seed), weathers[seed%len(weathers)]); t.Failed() {
						return // one is enough to read
					}
				}
			})
		})
	}
}

// A beginning is a scene that is set: where all schedules start.
type beginning struct {
	clients [][]op
	start   replay
	known   map[string]*replay // what was replayed, by the ops
}

func begin(t *testing.T, sc scene) *beginning {
	tab, obj := newMemTable(), newMemBlobs()
	clients := sc.set(&stage{newCast(), t, registry.New(tab, obj, registry.Options{}).Tiny()})
	if wrongs := inspect(tab, obj, true); wrongs != nil {
		t.Fatalf("before anything happened: %q", wrongs)
	}
	time.Sleep(time.Hour) // edges lose their youth
	b := &beginning{clients: clients, start: replay{table: tab, blobs: obj}, known: map[string]*replay{}}
	b.start.look()
	return b
}

// try runs one schedule and judges it.
func (b *beginning) try(t *testing.T, seed uint64, w weather) {
	t.Helper()
	s := newSchedule(seed, w, b.start.table, b.start.blobs)
	told := make([][]outcome, len(b.clients))
	for i, ops := range b.clients {
		told[i] = make([]outcome, len(ops))
		s.spawn(t.Context(), string(rune('a'+i)), func(p *process) {
			for j, o := range ops {
				told[i][j] = outcome{unknown, "the process ended"}
				told[i][j] = o.perform(p.ctx, p.reg)
				s.note("%s: %s: %v", p.name, o.name, told[i][j])
			}
		})
	}
	s.run()
	calm := w.name == "calm"
	wrongs := inspect(s.table, s.blobs, calm)
	if calm {
		wrongs = append(wrongs, b.spoilt(told)...)
	}
	if len(wrongs) == 0 && !b.explains(told, view(s.table, calm), calm) {
		wrongs = []string{"no order of the requests explains what was told and what is there:\n  " + view(s.table, calm)}
	}
	if len(wrongs) > 0 {
		t.Errorf("schedule %d, %s:\n  %s\n%s", seed, w.name, strings.Join(s.trace, "\n  "), strings.Join(wrongs, "\n"))
	}
}

// spoilt says which ops did not end as they must where nothing fails.
func (b *beginning) spoilt(told [][]outcome) (wrongs []string) {
	for i, ops := range b.clients {
		for j, o := range ops {
			if end := told[i][j].end; end == unknown || o.sure && end != success {
				wrongs = append(wrongs, fmt.Sprintf("%s: %v, though nothing failed", o.name, told[i][j]))
			}
		}
	}
	return wrongs
}

// explains looks for an order of the ops by which the clients are told the same
// and the same is there in the end.
func (b *beginning) explains(told [][]outcome, want string, calm bool) bool {
	next := make([]int, len(told))
	var search func(path string, at *replay) bool
	search = func(path string, at *replay) bool {
		ended := true
		for i := range told {
			j := next[i]
			if j == len(told[i]) {
				continue
			}
			ended = false
			next[i]++
			end := told[i][j].end
			if end != success && search(path, at) {
				return true // as if it had not been sent
			}
			if end == success || end == unknown {
				longer := fmt.Sprint(path, " ", i, ".", j)
				r := b.replay(longer, at, b.clients[i][j])
				if (end == unknown || r.last == told[i][j]) && search(longer, r) {
					return true
				}
			}
			next[i]--
		}
		return ended && (calm && at.strict == want || !calm && at.loose == want)
	}
	return search("", &b.start)
}

// A replay is what some ops lead to, one after the other.
type replay struct {
	table         *memTable
	blobs         *memBlobs
	last          outcome // of the last op
	strict, loose string  // views
}

// replay does one more op. Many schedules go the same path.
func (b *beginning) replay(path string, from *replay, o op) *replay {
	if r, ok := b.known[path]; ok {
		return r
	}
	r := &replay{table: from.table.clone(), blobs: from.blobs.clone()}
	r.last = o.perform(context.Background(), registry.New(r.table, r.blobs, registry.Options{}).Tiny())
	r.look()
	b.known[path] = r
	return r
}

func (r *replay) look() { r.strict, r.loose = view(r.table, true), view(r.table, false) }

// view is what clients can see: manifests with their counts, tags, referrers
// and blobs. Whether a blob is condemned counts only where nothing failed.
func view(tab *memTable, strict bool) string {
	var out []string
	for key, item := range tab.items {
		repo, ok := strings.CutPrefix(key.Partition, "repo#")
		kind, name, _ := strings.Cut(key.Sort, "#")
		line := repo + " " + kind + " " + name
		switch kind {
		case "upload", "direct", "parent", "sent":
			ok = false
		case "manifest":
			// What counts nothing is left by a push that did not arrive, or by
			// two referrers that were deleted at once.
			ok = ok && (isLive(item) || item.Num("referrers") > 0)
			line += fmt.Sprint(" ", isLive(item), " ", item.Num("referrers"))
		case "tag":
			line += " " + item.Str("digest")
		case "blob":
			if strict {
				line += " " + item.Str("state")
			}
		}
		if ok {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n  ")
}

func isLive(item table.Item) bool { return item.Str("state") == "live" }
