// Package stream hands the changes of a DynamoDB table to a function as an
// event source mapping of AWS Lambda does: in batches, in order within a shard,
// at least once.
//
// Where AWS leaves open what happens, this package takes what is harder for the
// function. A function that reports a failed item has its earlier ones noted as
// done; what follows begins with all its retries anew. But when the first item
// of what is left has no retries left either, all the rest of the batch is given
// up with it, as it is when a function fails as a whole and batches are not
// bisected.
package stream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/berthregistry/berth/infra/localcloud/pattern"
)

// Where a mapping begins that has no checkpoints yet.
const (
	Latest      = "LATEST"       // with what changes from now on
	TrimHorizon = "TRIM_HORIZON" // with the oldest change that the stream still has
)

// A Config describes one mapping. Client, Stream, StartingPosition and Invoke
// are required. The fields that are named as in a template mean what they mean
// there.
type Config struct {
	Client *dynamodbstreams.Client
	Stream string // ARN of the stream

	// Invoke hands an event to the function. An error means that the event did
	// not reach it, as when it is throttled: that is tried again and no retry is
	// counted. It must be safe for concurrent use: shards do not wait for each
	// other.
	Invoke func(ctx context.Context, event []byte) (Answer, error)

	StartingPosition           string        // Latest or TrimHorizon
	BatchSize                  int           // records; 100 if 0
	MaximumBatchingWindow      time.Duration // how long a batch that is not full waits for more
	MaximumRetryAttempts       *int          // nil: as long as the stream has the record
	MaximumRecordAge           time.Duration // 0: as long as the stream has the record
	BisectBatchOnFunctionError bool
	ReportBatchItemFailures    bool
	Filters                    []string // patterns of EventBridge as JSON; a record passes if one of them, or none, is there and fits

	// OnFailure is told of records that are given up, before they are. Nil: they
	// are only logged.
	OnFailure func(DeadLetter)

	// Checkpoints is a file that keeps how far the mapping has come. Empty: it
	// begins anew with each Run.
	Checkpoints string

	// Shards is a fault: each shard of the stream is read as so many, which do not
	// wait for each other. 0 or 1: it is one.
	Shards int

	Repeat func() bool          // a fault: true delivers a batch once more that was a success; nil: never
	Delay  func() time.Duration // a fault: how long a batch is held back before it is delivered; nil: not at all

	Poll    time.Duration // between looks at a shard that is empty; 250 ms if 0, as Lambda does
	Backoff time.Duration // after the first failure, doubled by each that follows up to sixty times as much; 1 s if 0
	Log     *slog.Logger  // nil: none
}

// An Answer is what came of an event that reached the function.
type Answer struct {
	RequestID string
	Payload   []byte
	Failed    bool // the function failed
}

// A Mapping reads one stream for one function.
type Mapping struct {
	Config
	source  source
	filters []pattern.Pattern
	listAll time.Duration // between looks for new shards
	most    time.Duration // the longest pause after a failure

	shards map[string]*shard // belongs to Run
	ended  chan *shard       // from their goroutines to Run
	ready  chan struct{}     // closed when the places in the shards are known

	mu    sync.Mutex
	stats Stats
	saved checkpoints
	ages  map[*shard]time.Time // the oldest record that each shard is not done with
}

// New returns the mapping that c describes. It reads nothing before Run.
func New(c Config) (*Mapping, error) {
	if c.StartingPosition != Latest && c.StartingPosition != TrimHorizon {
		return nil, fmt.Errorf("starting position %q is neither %s nor %s", c.StartingPosition, Latest, TrimHorizon)
	}
	c.BatchSize = cmp.Or(c.BatchSize, 100)
	c.Poll = cmp.Or(c.Poll, 250*time.Millisecond)
	c.Backoff = cmp.Or(c.Backoff, time.Second)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	m := &Mapping{
		Config:  c,
		source:  inParts(&client{Client: c.Client, stream: c.Stream}, c.Shards),
		listAll: 10 * time.Second,
		most:    60 * c.Backoff,
		ended:   make(chan *shard),
		ready:   make(chan struct{}),
		ages:    map[*shard]time.Time{},
	}
	for _, f := range c.Filters {
		p, err := pattern.Parse(f)
		if err != nil {
			return nil, fmt.Errorf("filter %s: %w", f, err)
		}
		m.filters = append(m.filters, p)
	}
	return m, nil
}

// Ready is closed once the mapping knows where it begins: what changes after
// that is delivered.
func (m *Mapping) Ready() <-chan struct{} { return m.ready }

// Run reads and delivers until ctx ends, and returns then why it did. It goes on
// over whatever the stream answers, and logs it. It may be called once.
func (m *Mapping) Run(ctx context.Context) error {
	var followers sync.WaitGroup
	defer followers.Wait()
	if err := m.load(); err != nil {
		return err
	}
	list := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case sh := <-m.ended:
			sh.following = false
			list.Reset(0) // its children may be new to us, or it is gone
		case <-list.C:
			pause := m.listAll
			if err := m.list(ctx); err != nil && ctx.Err() == nil {
				m.Log.WarnContext(ctx, "list shards", "stream", m.Stream, "err", err)
				pause = min(m.Backoff, m.listAll)
			}
			list.Reset(pause)
		}
		for _, sh := range m.readable() {
			sh.following = true
			followers.Go(func() { m.follow(ctx, sh) })
		}
	}
}
