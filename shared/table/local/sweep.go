package local

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// sweepEvery is how often expired items and old changes are looked for.
const sweepEvery = time.Minute

// catchUp is how long after the file was opened, or the process woke, changes are
// kept for whoever has not asked for them yet, however old they are. What was
// pushed just before a laptop was put away for the weekend is still told on Monday.
const catchUp = time.Hour

// nap is after how long without a look at old changes the process has slept: with
// its machine, or because it was stopped.
const nap = 5 * sweepEvery

// wake notices that the process has slept, by the clock on the wall: the one that
// Go measures durations by may stand still meanwhile. A clock that was put forward
// looks the same, and makes changes as old.
func (s *Store) wake(now time.Time) {
	now = now.Round(0)
	if now.Sub(s.looked) > nap {
		s.woke = now
	}
	s.looked = now
}

// maxSweep bounds what one commit removes, so that writers hardly notice.
const maxSweep = 100

// sweep removes, in the background, the items whose time has come and the
// changes that are too old.
func (s *Store) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.sweepAll("expire items", (*group).expire)
			s.sweepAll("trim changes", (*group).trim)
		case <-s.quit:
			return
		}
	}
}

// sweepAll calls remove, each time in a commit of its own, until there is
// nothing more to remove.
func (s *Store) sweepAll(what string, remove func(*group) (more bool, err error)) {
	for more := true; more; {
		err := s.submit(context.Background(), 0, func(g *group) (err error) {
			more, err = remove(g)
			return err
		})
		if err != nil {
			if err != errClosed {
				s.log.Error("sweep the table", "what", what, "error", err)
			}
			return
		}
	}
}

// expire removes items whose time has come. The index is read in the commit
// that removes, so an item that was given more time is not hit.
func (g *group) expire() (more bool, err error) {
	due, now := [][]byte(nil), orderedSeconds(g.now)
	cursor := g.expiries.Cursor()
	for k, _ := cursor.First(); k != nil; k, _ = cursor.Next() {
		at, _, err := decodeExpiry(k)
		if err != nil {
			return false, err
		}
		if at > now {
			break
		}
		if len(due) == maxSweep {
			more = true
			break
		}
		due = append(due, bytes.Clone(k))
	}
	for _, k := range due {
		g.expireItem(k)
	}
	return more, nil
}

func (g *group) expireItem(entry []byte) {
	key := entry[8:]
	old := bytes.Clone(g.items.Get(key))
	g.delete(g.expiries, entry)
	g.delete(g.items, key)
	g.append(record{key: key, old: old, at: g.now, expired: true})
}

// trim removes changes from the old end of the log that every consumer has
// acknowledged, or that are older than the stream keeps them.
func (g *group) trim() (more bool, err error) {
	acknowledged, err := g.acknowledged()
	if err != nil {
		return false, err
	}
	g.store.wake(g.now)
	var done [][]byte
	cursor := g.changes.Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		sequence, err := decodeSequence(k)
		if err != nil {
			return false, err
		}
		at, err := recordTime(v)
		if err != nil {
			return false, fmt.Errorf("change %d: %w", sequence, err)
		}
		kept := g.now.Sub(at) <= table.StreamLife || g.now.Sub(g.store.woke) <= catchUp
		if sequence > acknowledged && kept {
			break
		}
		if len(done) == maxSweep {
			more = true
			break
		}
		done = append(done, bytes.Clone(k))
	}
	for _, k := range done {
		g.delete(g.changes, k)
	}
	return more, nil
}
