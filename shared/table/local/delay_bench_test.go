package local_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
)

// BenchmarkStreamDelay measures how long after a write was answered its change
// is delivered: nobody can be told of it earlier. A delay below 0 is one of a
// change that came before the answer.
func BenchmarkStreamDelay(b *testing.B) {
	for _, writers := range []int{1, 50} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b)
			arrivals := arrive(b, s)
			b.ResetTimer()
			answered := writeFrom(b, s, writers)
			arrivals.all.Wait()
			var delays []float64
			for key, at := range answered {
				came, _ := arrivals.at.Load(key)
				delays = append(delays, float64(came.(time.Time).Sub(at).Microseconds()))
			}
			slices.Sort(delays)
			b.ReportMetric(delays[len(delays)/2], "p50-µs")
			b.ReportMetric(delays[len(delays)*99/100], "p99-µs")
		})
	}
}

// arrivals are the changes that a consumer gets.
type arrivals struct {
	all     sync.WaitGroup
	at      sync.Map      // time by key
	started chan struct{} // closed when the consumer gets what it is sent
	once    sync.Once
}

// start is the partition of what is written to see whether there is a consumer.
const start = "start"

// arrive returns when there is a consumer, who waits for b.N items.
func arrive(b *testing.B, s *local.Store) *arrivals {
	b.Helper()
	a := &arrivals{started: make(chan struct{})}
	a.all.Add(b.N)
	go s.Changes(b.Context(), "bench", a.take)
	for i := 0; ; i++ {
		write(b, s, table.Key{Partition: start, Sort: fmt.Sprint(i)})
		select {
		case <-a.started:
			return a
		case <-time.After(10 * time.Millisecond): // what is written before it is there it does not get
		}
	}
}

func (a *arrivals) take(_ context.Context, run []table.Change) error {
	now := time.Now()
	for _, c := range run {
		if c.Key.Partition == start {
			a.once.Do(func() { close(a.started) })
			continue
		}
		a.at.Store(c.Key, now)
		a.all.Done()
	}
	return nil
}

// writeFrom writes b.N items, so many at a time, and says when each was answered.
func writeFrom(b *testing.B, s table.Store, writers int) map[table.Key]time.Time {
	b.Helper()
	answered := make(map[table.Key]time.Time, b.N)
	var mu sync.Mutex
	var next atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				key := table.Key{Partition: "repo#team/app", Sort: fmt.Sprintf("referrer#%d", n)}
				write(b, s, key)
				at := time.Now()
				mu.Lock()
				answered[key] = at
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answered
}

func write(b *testing.B, s table.Store, key table.Key) {
	b.Helper()
	if err := s.Transact(b.Context(), tx(manifest(key))); err != nil {
		b.Error(err)
	}
}
