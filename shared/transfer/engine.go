package transfer

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Options are what an Engine may be told. The zero value is good.
type Options struct {
	// Memory is the size of all buffers of all transfers together, in bytes: 128
	// MiB if zero, and 32 MiB at least. The rest of a process needs some 50 MiB; it
	// stays there if it sets debug.SetMemoryLimit, since the garbage collector
	// would else let it grow to twice as much.
	Memory int64
	// Parallel is how many parts are sent at once, how many are fetched, and how
	// many blobs go up in one stream: 8 each if zero.
	Parallel int
	// Sessions is a folder for notes of uploads through registries, so that another
	// process goes on with them. There are none if it is empty.
	Sessions string
	// Log may be nil.
	Log *slog.Logger
	// Store sends requests to what a registry names elsewhere. It has a transport
	// of its own if it is nil. It must add no credentials.
	Store *http.Client
}

// An Engine moves blobs: all those of a process, since they share its memory and
// its connections. It is safe for use by several goroutines.
type Engine struct {
	budget   *budget
	parallel int
	// What waits for one of these holds none of those below it, else two
	// could wait for each other: a lane, a stream, a buffer, a fetch, a send.
	lanes    *semaphore.Weighted // parts that blobs begin to send
	streams  *semaphore.Weighted // blobs that go up in one stream
	fetches  *semaphore.Weighted // parts that come down
	sends    *semaphore.Weighted // parts that go up
	store    *http.Client
	sessions string
	swept    sync.Once
	log      *slog.Logger
	pace     pace
	sizes    sizes

	learning *semaphore.Weighted // one at a time asks a registry that is not known
	mu       sync.Mutex
	known    map[string]knowledge // by registry or repository
}

// knowledge is whether a registry knows direct transfer.
type knowledge struct {
	direct bool
	until  time.Time // zero: for good
}

// pace is how long an Engine waits for what.
type pace struct {
	stall    time.Duration // for the next byte
	patience time.Duration // for an answer, when all bytes have gone
	commit   time.Duration // for a registry that puts a whole blob in its place
	first    time.Duration // before the second try; twice that before the third
	longest  time.Duration // before any try, if nothing else was asked for
	idle     time.Duration // for a verification that makes no progress
	busy     time.Duration // before a registry is asked again that had too much to do
}

// sizes are in bytes. They are fields of an Engine only so that tests can be about
// little.
type sizes struct {
	small int64 // a blob up to that goes up in one request: gateways let it through
	part  int64 // of a stream, gathered before it is sent
	// What is read at once: a remote Source answers each with a request, which
	// costs its server as much as some hundred KiB, another one nothing but the call.
	remote, local int64
	chunk         int64 // for a registry that takes no more at once
}

var usualSizes = sizes{small: 4 << 20, part: 16 << 20, remote: 8 << 20, local: 1 << 20, chunk: 4 << 20}

var usualPace = pace{
	stall:    30 * time.Second,
	patience: 2 * time.Minute, // a slow line has megabytes in buffers of the kernel
	commit:   10 * time.Minute,
	first:    200 * time.Millisecond,
	longest:  20 * time.Second,
	idle:     time.Minute,
	busy:     time.Minute,
}

const (
	usualMemory   = 128 << 20
	leastMemory   = 32 << 20
	usualParallel = 8
)

// New returns an Engine.
func New(o Options) *Engine {
	if o.Memory == 0 {
		o.Memory = usualMemory
	}
	if o.Parallel <= 0 {
		o.Parallel = usualParallel
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Store == nil {
		o.Store = &http.Client{Transport: NewTransport()}
	}
	return &Engine{
		budget:   newBudget(max(o.Memory, leastMemory)),
		parallel: o.Parallel,
		lanes:    semaphore.NewWeighted(int64(o.Parallel)),
		streams:  semaphore.NewWeighted(int64(o.Parallel)),
		fetches:  semaphore.NewWeighted(int64(o.Parallel)),
		sends:    semaphore.NewWeighted(int64(o.Parallel)),
		store:    storeClient(o.Store),
		sessions: o.Sessions,
		log:      o.Log,
		pace:     usualPace,
		sizes:    usualSizes,
		learning: semaphore.NewWeighted(1),
		known:    map[string]knowledge{},
	}
}

// in calls f in one of the places of s.
func in(ctx context.Context, s *semaphore.Weighted, f func() error) error {
	if err := s.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer s.Release(1)
	return f()
}

// knows says whether a repository takes direct transfer, and whether that is known.
// Mostly it is known of its whole registry.
func (e *Engine) knows(repository *url.URL) (direct, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, what := range []string{repository.Host, repository.String()} {
		if k, ok := e.known[what]; ok && (k.until.IsZero() || time.Now().Before(k.until)) {
			return k.direct, true
		}
	}
	return false, false
}

// learn keeps what was learnt of the host of a registry, or the URL of a repository.
func (e *Engine) learn(what string, direct bool) { e.keep(what, knowledge{direct: direct}) }

// learnBusy has a repository go without direct transfer for a while.
func (e *Engine) learnBusy(repository *url.URL) {
	e.keep(repository.String(), knowledge{until: time.Now().Add(e.pace.busy)})
}

func (e *Engine) keep(what string, k knowledge) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[what] = k
}
