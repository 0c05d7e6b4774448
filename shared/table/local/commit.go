package local

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"go.etcd.io/bbolt"
)

// One goroutine writes. It takes the jobs that have come while the last commit
// was being synced and does them, one after the other, in one transaction of
// the file: sixteen writers share the cost of a sync that one would pay alone.

// maxGroup and maxGroupBytes bound what is done in one commit, and so how long
// the first of it waits for the last.
const (
	maxGroup      = 256
	maxGroupBytes = 16 << 20
)

// A job is something to be written.
type job struct {
	ctx  context.Context
	size int // bytes, about
	// do writes to the group, or returns an error and has written nothing.
	do func(*group) error
	// answer receives what do returned once all is durable.
	answer chan error
	err    error
}

// submit has the writer do something, and returns when it is durable. The
// context counts until the writer takes the job up; from there it is a matter
// of milliseconds, and the caller gets to know what happened.
func (s *Store) submit(ctx context.Context, size int, do func(*group) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, size: size, do: do, answer: make(chan error, 1)}
	select {
	case s.jobs <- j:
		return <-j.answer
	case <-ctx.Done():
		return ctx.Err()
	case <-s.quit:
		return errClosed
	}
}

// write is the writer. It answers every job that it takes.
func (s *Store) write() {
	for {
		select {
		case j := <-s.jobs:
			s.commit(s.gather(j))
		case <-s.quit:
			return
		}
	}
}

// gather returns the first job and those that wait behind it. When nobody
// does it yields once: those who were just answered are about to come back,
// and would else wait for a whole commit that holds little.
func (s *Store) gather(first *job) []*job {
	jobs, yielded := []*job{first}, false
	for size := first.size; len(jobs) < maxGroup && size < maxGroupBytes; {
		select {
		case j := <-s.jobs:
			jobs, yielded = append(jobs, j), false
			size += j.size
		default:
			if yielded {
				return jobs
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return jobs
}

// commit does the jobs and answers them. If the commit fails, all of them get
// an error that does not tell whether they happened.
func (s *Store) commit(jobs []*job) {
	g := &group{store: s, now: time.Now()}
	err := s.attempt(g, jobs)
	if err != nil {
		for _, token := range g.tokens {
			s.tokens.remove(token)
		}
	} else if g.appended {
		s.appended.raise()
	}
	for _, j := range jobs {
		if err != nil {
			j.err = fmt.Errorf("commit: %w", err)
		}
		j.answer <- j.err
	}
}

// attempt does the jobs in one transaction. A panic can come from a damaged
// file: it ends all writing, and leaves reading as it is.
func (s *Store) attempt(g *group, jobs []*job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.failed = fmt.Errorf("the table is damaged: %v", p)
			err = s.failed
			if g.tx != nil { // else Close would wait for it
				err = errors.Join(err, g.tx.Rollback())
			}
		}
	}()
	if s.failed != nil {
		return s.failed
	}
	if err := g.begin(); err != nil {
		return err
	}
	for _, j := range jobs {
		if j.err = j.ctx.Err(); j.err == nil {
			j.err = j.do(g)
		}
	}
	if g.err != nil || !g.wrote {
		return errors.Join(g.err, g.tx.Rollback())
	}
	return s.finish(g.tx)
}

// finish commits. A commit that fails, for want of space, say, is undone and
// the next may succeed. But if only the last sync failed, it is to be seen and
// may yet be gone after a power cut: nothing must be built on it.
func (s *Store) finish(tx *bbolt.Tx) error {
	id := tx.ID()
	err := tx.Commit()
	if err == nil {
		return nil
	}
	undone := false
	if view := s.db.View(func(now *bbolt.Tx) error { undone = now.ID() < id; return nil }); view != nil || !undone {
		s.failed = fmt.Errorf("the table takes no more writes: %w", err)
	}
	return err
}

// A group is the transaction of the file in which jobs are done.
type group struct {
	store *Store
	now   time.Time
	tx    *bbolt.Tx

	items, expiries, changes, consumers *bbolt.Bucket

	logging  bool     // some consumer wants to know what changes
	all      bool     // some consumer wants to know all of it
	tokens   []string // of the transactions that were done
	wrote    bool
	appended bool
	err      error // the first that the file gave; spoils the group
}

func (g *group) begin() (err error) {
	if g.tx, err = g.store.db.Begin(true); err != nil {
		return err
	}
	g.items = g.tx.Bucket(itemsBucket)
	g.expiries = g.tx.Bucket(expiriesBucket)
	g.changes = g.tx.Bucket(changesBucket)
	g.consumers = g.tx.Bucket(consumersBucket)
	// Changes come in order, so pages can be filled to the brim.
	g.changes.FillPercent = 1
	return g.consumers.ForEach(func(consumer, _ []byte) error {
		g.logging = true
		g.all = g.all || g.store.filters[string(consumer)] == nil
		return nil
	})
}

func (g *group) put(b *bbolt.Bucket, key, value []byte) {
	g.wrote = true
	if err := b.Put(key, value); err != nil && g.err == nil {
		g.err = err
	}
}

func (g *group) delete(b *bbolt.Bucket, key []byte) {
	g.wrote = true
	if err := b.Delete(key); err != nil && g.err == nil {
		g.err = err
	}
}
