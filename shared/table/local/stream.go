package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/berthregistry/berth/shared/table"
)

// The changes of a transaction are appended to a log in the same commit, old
// and new image, under a number that only grows. While no consumer has ever
// asked for changes there is nobody to whom they are owed, and nothing is
// logged: it would double what a write costs. A consumer is registered by the
// writer, in the order of its jobs, so that every transaction is either before
// the registration or logged.

// maxRun and maxRunBytes bound what is delivered at once.
const (
	maxRun      = 100
	maxRunBytes = 1 << 20
)

// runDelay is how long changes gather once there is one. Each run costs a
// commit to acknowledge, which takes its turn with the transactions.
const runDelay = 5 * time.Millisecond

// append logs a change, if somebody is owed it.
func (g *group) append(r record) {
	if !g.logging || !g.all && !g.store.wanted(r.key) {
		return
	}
	sequence, err := g.changes.NextSequence()
	if err != nil {
		g.err = errors.Join(g.err, err)
		return
	}
	g.put(g.changes, encodeSequence(sequence), r.encode())
	g.appended = true
}

// Changes implements table.Stream. The changes of all items come in the one
// order in which they were made, which is more than the port promises.
func (s *Store) Changes(ctx context.Context, consumer string, deliver func(context.Context, []table.Change) error) error {
	position, err := s.register(ctx, consumer)
	if err != nil {
		return fmt.Errorf("register consumer %s: %w", consumer, err)
	}
	for {
		// Taken before the log is read, the signal can't be missed.
		more := s.appended.wait()
		run, last, err := s.readChanges(ctx, position)
		if err != nil {
			return fmt.Errorf("read changes after %d: %w", position, err)
		}
		if len(run) == 0 {
			if err := s.await(ctx, more); err != nil {
				return err
			}
			continue
		}
		if err := deliver(ctx, run); err != nil {
			return fmt.Errorf("deliver changes to %s: %w", consumer, err)
		}
		// A crash or an error here has the run delivered again.
		if err := s.acknowledge(context.WithoutCancel(ctx), consumer, last); err != nil {
			return fmt.Errorf("acknowledge changes: %w", err)
		}
		position = last
	}
}

// Begin makes a consumer known before its first call of Changes, which then
// begins here. Without it what changes before that call has come so far is not
// for the consumer.
//
// Of says by the key which changes are for it, for as long as this Store is open;
// nil stands for all. What is for nobody is not logged, and costs nothing. What is
// logged everybody gets. Of is called for each write, by the writer.
func (s *Store) Begin(ctx context.Context, consumer string, of func(table.Key) bool) error {
	if _, err := s.register(ctx, consumer); err != nil {
		return fmt.Errorf("register consumer %s: %w", consumer, err)
	}
	return s.submit(ctx, 0, func(*group) error {
		delete(s.filters, consumer)
		if of != nil {
			s.filters[consumer] = of
		}
		return nil
	})
}

// wanted says whether a change is for one of those that do not want all.
func (s *Store) wanted(key []byte) bool {
	k, err := decodeKey(key)
	if err != nil {
		return true // the reader will say so
	}
	for _, of := range s.filters {
		if of(k) {
			return true
		}
	}
	return false
}

// await returns a little after there are more changes.
func (s *Store) await(ctx context.Context, more <-chan struct{}) error {
	select {
	case <-more:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return errClosed
	}
	select {
	case <-time.After(runDelay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return errClosed
	}
}

// register returns the last position that the consumer acknowledged. A new one
// begins at the end of the log.
func (s *Store) register(ctx context.Context, consumer string) (position uint64, err error) {
	if n := len(consumer); n < 1 || n > table.MaxSortKey {
		return 0, fmt.Errorf("%w: name of %d bytes", table.ErrLimit, n)
	}
	err = s.submit(ctx, len(consumer), func(g *group) (err error) {
		position, err = g.register(consumer)
		return err
	})
	return position, err
}

func (g *group) register(consumer string) (position uint64, err error) {
	if known := g.consumers.Get([]byte(consumer)); known != nil {
		return decodeSequence(known)
	}
	position = g.changes.Sequence()
	g.put(g.consumers, []byte(consumer), encodeSequence(position))
	g.logging, g.all = true, true // for the jobs behind this one in the same commit
	return position, nil
}

// acknowledge stores the position and drops what nobody waits for any more.
func (s *Store) acknowledge(ctx context.Context, consumer string, position uint64) error {
	return s.submit(ctx, len(consumer), func(g *group) error {
		g.put(g.consumers, []byte(consumer), encodeSequence(position))
		_, err := g.trim()
		return err
	})
}

// readChanges returns the run of changes behind a position and the position at
// its end.
func (s *Store) readChanges(ctx context.Context, position uint64) (run []table.Change, last uint64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		cursor, size := tx.Bucket(changesBucket).Cursor(), 0
		for k, v := cursor.Seek(encodeSequence(position + 1)); k != nil && len(run) < maxRun && size < maxRunBytes; k, v = cursor.Next() {
			if last, err = decodeSequence(k); err != nil {
				return err
			}
			change, err := decodeChange(last, bytes.Clone(v))
			if err != nil {
				return err
			}
			run = append(run, change)
			size += len(v)
		}
		return nil
	})
	return run, last, err
}

// acknowledged returns the position that every consumer has reached.
func (g *group) acknowledged() (uint64, error) {
	least := uint64(math.MaxUint64)
	err := g.consumers.ForEach(func(_, v []byte) error {
		position, err := decodeSequence(v)
		least = min(least, position)
		return err
	})
	return least, err
}

// A signal wakes all who wait for it.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that the next raise closes.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
