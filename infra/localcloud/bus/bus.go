// Package bus stands for EventBridge: events are put on its buses, and rules say
// who gets them.
//
// Where AWS leaves open what happens, this package takes what is harder: of the
// entries of one call any may be refused, and those that are taken go to each
// target in no order. A target is asked as often and as long as its rule says,
// but gets no more than it can take: there is no limit of its rate. Nobody is
// asked who puts events: a guard stands before it.
package bus

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berthregistry/berth/infra/localcloud/pattern"
)

// Config is what buses are made of. Region and Account are required.
type Config struct {
	Region, Account string
	Buses           []string // names of those that there are beside default
	Rules           []Rule

	Refuse func() bool          // a fault: true refuses an entry for this time; nil: never
	Repeat func() bool          // a fault: true has a target get an event twice; nil: never
	Delay  func() time.Duration // a fault: how long a target waits for an event; nil: not at all

	Backoff time.Duration // before an event is tried again, twice as much before each next time: 1 s if 0, and never above 5 min
	Log     *slog.Logger  // nil: none
}

// A Rule leads events of one bus to targets.
type Rule struct {
	ARN     string
	Bus     string
	Pattern pattern.Pattern // of the events, in their envelopes
	Targets []Target
}

// A Target is somebody who gets events. Send must be safe for concurrent use; an
// error of it is tried again, unless it is a *Failure that says otherwise.
type Target struct {
	ARN       string
	InputPath []string // members that lead to what is sent; none: all of the event
	Send      func(ctx context.Context, event []byte) error
	Retries   int           // after the first attempt
	MaxAge    time.Duration // of an event

	// Undelivered, if set, gets an event that is given up, and what SQS has as
	// attributes of the message.
	Undelivered func(event []byte, why map[string]string)
}

const longestPause = 5 * time.Minute

// A Bus is all buses of an account, and an http.Handler of the API by which
// events are put on them. It works until it is closed. Its methods are safe for
// concurrent use.
type Bus struct {
	Config
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	taken   []Taken
	refused int
	stats   map[string]*Stats // by the ARN of the rule
}

// A Taken is one event that a bus has taken. N counts them, from 1.
type Taken struct {
	N          int       `json:"n"`
	At         time.Time `json:"at"` // when it was put
	Bus        string    `json:"bus"`
	ID         string    `json:"id"` // that EventBridge has given it, anew each time that it is put
	Source     string    `json:"source"`
	DetailType string    `json:"detailType"`
	Resources  []string  `json:"resources"`
	Time       time.Time `json:"time"` // that it was put with
	Detail     rawJSON   `json:"detail"`
}

// Stats says what became of the events that fit one rule.
type Stats struct {
	Delivered   int64 `json:"delivered"`
	Failed      int64 `json:"failed"` // attempts
	Undelivered int64 `json:"undelivered"`
	Waiting     int64 `json:"waiting"` // that are under way, or to be tried again
}

// New returns the buses that c describes.
func New(c Config) *Bus {
	c.Backoff = cmp.Or(c.Backoff, time.Second)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	b := &Bus{Config: c, stats: map[string]*Stats{}}
	b.Buses = append(slices.Clone(b.Buses), "default")
	for _, r := range b.Rules {
		b.stats[r.ARN] = &Stats{}
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// Close stops. What is still to be delivered is lost.
func (b *Bus) Close() {
	b.stop()
	b.running.Wait()
}

// Taken is what the buses have taken, in that order: at most limit events behind
// the one with this number.
func (b *Bus) Taken(after, limit int) []Taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	after = min(max(after, 0), len(b.taken))
	return slices.Clone(b.taken[after:min(after+limit, len(b.taken))])
}

// Stats is what became of the events, by the ARN of the rule.
func (b *Bus) Stats() map[string]Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]Stats{}
	for arn, s := range b.stats {
		all[arn] = *s
	}
	return all
}

// count changes the figures of a rule.
func (b *Bus) count(r Rule, change func(*Stats)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b.stats[r.ARN])
}

// take notes an event as taken, and sends it on its way.
func (b *Bus) take(e entry) string {
	b.mu.Lock()
	t := Taken{
		N: len(b.taken) + 1, At: time.Now().UTC(), Bus: e.bus(), ID: uuid.NewString(),
		Source: e.Source, DetailType: e.DetailType, Resources: e.Resources, Detail: rawJSON(e.Detail),
	}
	t.Time = e.time(t.At)
	b.taken = append(b.taken, t)
	b.mu.Unlock()
	b.route(t)
	return t.ID
}
