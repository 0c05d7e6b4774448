package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
)

// A weather says how probable it is that something befalls a call of a store.
type weather struct {
	name   string
	fault  float64 // it fails, or happens and fails
	commit float64 // so does a transaction, beyond that
	lose   float64 // a transaction loses to others that nobody sees
	crash  float64 // the process ends before or behind the call
	hangUp float64 // its client goes
	lull   float64 // minutes pass before it
}

// A fate is what befalls a call: an error instead of it, or instead of its
// answer.
type fate struct{ before, after error }

var (
	errFault = errors.New("injected fault")
	errCrash = errors.New("crash")
)

// A schedule lets several processes run in turns, one call of a store at a
// time. It lives in a bubble of synctest, where it can tell that all wait. The
// same seed gives the same turns.
type schedule struct {
	weather weather
	table   *memTable
	blobs   *memBlobs

	rand   *rand.Rand
	sticky float64 // how probable it is that who ran last runs on
	last   *process
	all    []*process

	mu    sync.Mutex
	trace []string // guarded by mu
}

func newSchedule(seed uint64, w weather, tab *memTable, obj *memBlobs) *schedule {
	s := &schedule{weather: w, table: tab.clone(), blobs: obj.clone(), rand: rand.New(rand.NewPCG(seed, 0))}
	s.sticky = []float64{0, 0.5, 0.8, 0.95}[s.rand.IntN(4)]
	return s
}

func (s *schedule) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

// A process is a registry of its own on the stores that all share.
type process struct {
	schedule *schedule
	name     string
	reg      *registry.Registry
	ctx      context.Context
	hangUp   context.CancelFunc

	turn chan fate

	// These are guarded by the schedule's mutex.
	wants string // the call that it waits for its turn with, "" if it does not
	token string // of that, if it is a transaction
	done  bool
	ended bool // by a crash
	naps  bool
}

// spawn starts a process that does work.
func (s *schedule) spawn(ctx context.Context, name string, work func(*process)) {
	p := &process{schedule: s, name: name, turn: make(chan fate)}
	p.ctx, p.hangUp = context.WithCancel(ctx)
	p.reg = registry.New(turnTable{p}, turnBlobs{p}, registry.Options{}).Tiny()
	s.all = append(s.all, p)
	go func() {
		defer p.end()
		work(p)
	}()
}

func (p *process) end() {
	p.hangUp()
	p.schedule.mu.Lock()
	defer p.schedule.mu.Unlock()
	p.done = true
}

// run gives turns until all are done.
func (s *schedule) run() {
	for {
		synctest.Wait()
		alive, naps, waiting := s.roll()
		switch {
		case alive == 0:
			return
		case len(waiting)+naps < alive || len(waiting) == 0:
			time.Sleep(100 * time.Millisecond) // somebody pauses behind a lost race
			continue
		case s.rand.Float64() < s.weather.lull:
			s.note("minutes pass")
			time.Sleep(10 * time.Minute)
			continue
		}
		p := s.pick(waiting)
		f, note := s.fate(p)
		s.note("%s: %s%s", p.name, p.wants, note)
		p.wants, p.token = "", ""
		p.turn <- f
	}
}

// roll says how many processes there still are, how many of them nap, and which
// wait for a turn.
func (s *schedule) roll() (alive, naps int, waiting []*process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		if !p.done {
			alive++
		}
		if p.naps {
			naps++
		}
		if p.wants != "" {
			waiting = append(waiting, p)
		}
	}
	return alive, naps, waiting
}

// nap lets time pass for a process while the others go on: a minute, or until they
// are done with what they do.
func (p *process) nap() {
	set := func(naps bool) {
		p.schedule.mu.Lock()
		defer p.schedule.mu.Unlock()
		p.naps = naps
	}
	set(true)
	time.Sleep(time.Minute)
	set(false)
}

func (s *schedule) pick(waiting []*process) *process {
	if s.last == nil || s.last.wants == "" || s.rand.Float64() >= s.sticky {
		s.last = waiting[s.rand.IntN(len(waiting))]
	}
	return s.last
}

// fate decides what befalls a call, and says so for the trace.
func (s *schedule) fate(p *process) (f fate, note string) {
	befalls := func(probability float64) bool { return s.rand.Float64() < probability }
	commits := p.token != "" && !s.table.tokens[p.token] // what happened already does not lose
	var err error
	switch w := s.weather; {
	case befalls(w.hangUp):
		p.hangUp()
		return f, ", and the client hangs up"
	case commits && befalls(w.lose):
		return fate{before: table.ErrConflict}, ", which loses"
	case befalls(w.crash):
		err = errCrash
	case befalls(w.fault) || commits && befalls(w.commit):
		err = errFault
	default:
		return f, ""
	}
	if befalls(0.5) {
		return fate{before: err}, ", not done: " + err.Error()
	}
	return fate{after: err}, ", done, but: " + err.Error()
}

// await is where a process waits for its turn.
func (p *process) await(format string, args ...any) fate {
	return p.awaitTx("", format, args...)
}

func (p *process) awaitTx(token, format string, args ...any) fate {
	p.schedule.mu.Lock()
	if p.ended {
		p.schedule.mu.Unlock()
		runtime.Goexit()
	}
	p.wants, p.token = fmt.Sprintf(format, args...), token
	p.schedule.mu.Unlock()
	return <-p.turn
}

// through carries a call out as its fate will have it.
func through[T any](f fate, call func() (T, error)) (answer T, err error) {
	if f.before == nil {
		answer, err = call()
	}
	var none T
	switch befell := errors.Join(f.before, f.after); {
	case errors.Is(befell, errCrash):
		runtime.Goexit() // nothing of this process follows
	case befell != nil:
		return none, befell
	}
	return answer, err
}

type turnTable struct{ *process }

func (t turnTable) Get(ctx context.Context, key table.Key) (table.Item, error) {
	f := t.await("get %s", brief(key))
	return through(f, func() (table.Item, error) { return t.schedule.table.Get(ctx, key) })
}

func (t turnTable) GetMany(ctx context.Context, keys []table.Key, names ...string) (map[table.Key]table.Item, error) {
	f := t.await("get %d, first %s", len(keys), brief(keys[0]))
	return through(f, func() (map[table.Key]table.Item, error) { return t.schedule.table.GetMany(ctx, keys, names...) })
}

func (t turnTable) Query(ctx context.Context, q table.Query) (table.Page, error) {
	f := t.await("query %s", brief(table.Key{Partition: q.Partition, Sort: q.Prefix}))
	return through(f, func() (table.Page, error) { return t.schedule.table.Query(ctx, q) })
}

func (t turnTable) Transact(ctx context.Context, tx table.Tx) error {
	var what []string
	for _, a := range tx.Actions[:min(len(tx.Actions), 10)] {
		what = append(what, [...]string{"", "put ", "update ", "delete ", "check "}[a.Op]+brief(a.Key))
	}
	if more := len(tx.Actions) - len(what); more > 0 {
		what = append(what, fmt.Sprintf("%d more", more))
	}
	f := t.awaitTx(tx.Token, "%s", strings.Join(what, ", "))
	_, err := through(f, func() (struct{}, error) {
		err := t.schedule.table.Transact(ctx, tx)
		if err != nil {
			t.schedule.note("%s:   %v", t.name, err)
		}
		return struct{}{}, err
	})
	return err
}

// brief shortens a key for the trace.
func brief(key table.Key) string {
	parts := strings.Split(key.Partition+"#"+key.Sort, "#")
	for i, part := range parts {
		_, hex, ok := strings.Cut(part, ":")
		if ok {
			part = hex
		}
		parts[i] = fmt.Sprintf("%.9s", part)
	}
	return strings.Join(parts[1:], " ")
}

type turnBlobs struct{ *process }

// do has the object store do something in turn.
func (b turnBlobs) do(kind, key string, call func(blobs.Store) error) error {
	f := b.await("%s %s", kind, key)
	_, err := through(f, func() (struct{}, error) { return struct{}{}, call(b.schedule.blobs) })
	return err
}

func (b turnBlobs) Open(ctx context.Context, key string, size int64) (r io.ReadSeekCloser, err error) {
	err = b.do("open", key, func(s blobs.Store) (err error) { r, err = s.Open(ctx, key, size); return err })
	return r, err
}

func (b turnBlobs) Put(ctx context.Context, key string, body []byte) error {
	return b.do("put", key, func(s blobs.Store) error { return s.Put(ctx, key, body) })
}

// Append loses what it added where it fails: the future is nobody's.
func (b turnBlobs) Append(ctx context.Context, u blobs.Upload, r io.Reader) (blobs.Upload, error) {
	next := u
	err := b.do("append", u.Key, func(s blobs.Store) (err error) { next, err = s.Append(ctx, u, r); return err })
	if err != nil {
		next = u
	}
	return next, err
}

func (b turnBlobs) Complete(ctx context.Context, u blobs.Upload) error {
	return b.do("complete", u.Key, func(s blobs.Store) error { return s.Complete(ctx, u) })
}

func (b turnBlobs) Abort(ctx context.Context, u blobs.Upload) error {
	return b.do("abort", u.Key, func(s blobs.Store) error { return s.Abort(ctx, u) })
}

func (b turnBlobs) Delete(ctx context.Context, key string) error {
	return b.do("delete", key, func(s blobs.Store) error { return s.Delete(ctx, key) })
}
