package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berthregistry/berth/bench/target"
)

// A crew attaches to one registry side by side, each to a subject of its own, as
// the jobs of a CI sign what each of them has built.
type crew []*attacher

func newCrew(ctx context.Context, t *target.Target, size int) (crew, error) {
	c := make(crew, size)
	for i := range c {
		var err error
		if c[i], err = newAttacher(ctx, t); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// attach attaches so many artifacts in all. It returns how many it would in a
// second, and when each was answered, by its digest.
func (c crew) attach(ctx context.Context, n int) (rate float64, answered map[string]time.Time, err error) {
	answered = map[string]time.Time{}
	var mu sync.Mutex
	var all sync.WaitGroup
	start := time.Now()
	for i, a := range c {
		share := (n + i) / len(c) // the shares are n together
		all.Go(func() {
			for range share {
				digest, failed := a.attachOne(ctx)
				at := time.Now()
				mu.Lock()
				answered[digest] = at
				err = errors.Join(err, failed)
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(start).Seconds(), answered, err
}
