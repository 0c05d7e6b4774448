package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/berthregistry/berth/bench/news"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

const (
	// eventWithin is how long after the answer to a push its event may come, for
	// 99 of 100.
	eventWithin = 3 * time.Second
	// overtaken is taken for the delay of what came before the answer did.
	overtaken = 10 * time.Microsecond
	// allWithin is how long to wait until it was told of all.
	allWithin = time.Minute
)

// pushersAtOnce attach side by side, each to a subject of its own.
var pushersAtOnce = []int{1, 50}

// takeAnnounce measures how long after an artifact was attached its event is
// there, beside the stream of the table of which it is made, and what telling
// costs those who attach.
func takeAnnounce(ctx context.Context, s *stage) error {
	if err := s.announceServe(ctx); err != nil {
		return err
	}
	return s.announceCloud(ctx)
}

// An announcing is a registry that tells of what is attached.
type announcing struct {
	name     string // of the registry
	to       string // what the event is brought to
	told     *target.Target
	untold   []*target.Target // the same without telling, and others
	arrivals awaiter
	baseline func(ctx context.Context, pushers int, answered map[string]time.Time) (delays, error)
}

type awaiter interface {
	Await(ctx context.Context, answered map[string]time.Time) ([]time.Duration, error)
}

// delays are the median and the 99th percentile of some.
type delays struct{ p50, p99 float64 }

func delaysOf(all []time.Duration) delays {
	slices.Sort(all)
	return delays{atLeast(all[len(all)/2]), atLeast(all[len(all)*99/100])}
}

// atLeast is a delay in seconds. One that is not above 0 could not be compared.
func atLeast(d time.Duration) float64 { return max(d, overtaken).Seconds() }

// announceServe has berth serve tell a webhook.
func (s *stage) announceServe(ctx context.Context) error {
	hook := news.OpenHook()
	s.stops = append(s.stops, hook.Close)
	secret := filepath.Join(s.dir, "hook.secret")
	if err := os.WriteFile(secret, []byte("a-secret-of-the-bench-and-of-nobody-else"), 0o600); err != nil {
		return fmt.Errorf("write a secret: %w", err)
	}
	told, err := s.keep(target.BerthWith(ctx, "told", s.berth, s.dir, "--webhook", hook.URL(), "--webhook-secret-file", secret))
	if err != nil {
		return err
	}
	without, err := s.keep(target.BerthWith(ctx, "no webhook", s.berth, s.dir))
	if err != nil {
		return err
	}
	a := announcing{
		name: "serve", to: "webhook", told: told, untold: []*target.Target{without}, arrivals: hook,
		baseline: func(ctx context.Context, pushers int, _ map[string]time.Time) (delays, error) {
			p50, p99, err := news.LocalDelays(ctx, ".", s.dir, pushers, s.announced)
			return delays{atLeast(p50), atLeast(p99)}, err
		},
	}
	for _, p := range s.peers {
		t, err := target.At(p.name, p.url)
		if err != nil {
			return err
		}
		a.untold = append(a.untold, t)
	}
	return s.announce(ctx, a)
}

// announceCloud has the functions tell the bus of the local cloud.
func (s *stage) announceCloud(ctx context.Context) error {
	sc, err := s.newScene(ctx)
	if err != nil {
		return err
	}
	bus, err := news.WatchBus(ctx, sc.cloud.Control)
	if err != nil {
		return err
	}
	stream, err := news.WatchStream(ctx, sc.db, sc.table)
	if err != nil {
		return err
	}
	silent, err := s.keep(target.Cloud(ctx, "no events", sc.binary, filepath.Join(s.dir, "native"), sc.db, s.dir, "--parameter", "Events=false"))
	if err != nil {
		return err
	}
	return s.announce(ctx, announcing{
		name: "cloud", to: "bus", told: sc.cloud, untold: []*target.Target{silent}, arrivals: bus,
		baseline: func(ctx context.Context, _ int, answered map[string]time.Time) (delays, error) {
			all, err := stream.Await(ctx, answered)
			if err != nil {
				return delays{}, err
			}
			return delaysOf(all), nil
		},
	})
}

// A telling is what one round of attaching was like.
type telling struct {
	rate         float64
	event, bound delays // bound is what no event can be faster than
}

// announce takes the figures of one registry.
func (s *stage) announce(ctx context.Context, a announcing) error {
	for _, n := range pushersAtOnce {
		all := append([]*target.Target{a.told}, a.untold...)
		crews := make([]crew, len(all))
		for i, t := range all {
			var err error
			if crews[i], err = newCrew(ctx, t, n); err != nil {
				return err
			}
		}
		told, err := race(ctx, s.announceRounds, len(all), func(ctx context.Context, i int) (telling, error) {
			rate, answered, err := crews[i].attach(ctx, s.announced)
			if err != nil || i > 0 {
				return telling{rate: rate}, err
			}
			return a.tell(ctx, n, rate, answered)
		})
		if err != nil {
			return err
		}
		if err := s.addTold(a, n, told); err != nil {
			return err
		}
	}
	return nil
}

// tell waits until it was told of all.
func (a announcing) tell(ctx context.Context, pushers int, rate float64, answered map[string]time.Time) (telling, error) {
	waiting, cancel := context.WithTimeout(ctx, allWithin)
	defer cancel()
	all, err := a.arrivals.Await(waiting, answered)
	if err != nil {
		return telling{}, fmt.Errorf("%s: %w", a.name, err)
	}
	bound, err := a.baseline(ctx, pushers, answered)
	return telling{rate, delaysOf(all), bound}, err
}

// addTold reports how late events came, and the rates.
func (s *stage) addTold(a announcing, pushers int, told [][]telling) error {
	by := a.name + ", " + plural(pushers, "pusher")
	ours, middle := told[0], func(number func(telling) float64) float64 { return report.Median(each(told[0], number)) }
	from := "201 to " + a.to + ", " + by
	row := differing(from, each(ours, func(t telling) float64 { return t.event.p50 }),
		"the stream", each(ours, func(t telling) float64 { return t.bound.p50 }))
	row.Ours.P99 = middle(func(t telling) float64 { return t.event.p99 })
	row.Theirs.P99 = middle(func(t telling) float64 { return t.bound.p99 })
	if err := s.add(row); err != nil {
		return err
	}
	if err := s.add(limited("p99, "+from, report.Seconds, row.Ours.P99, eventWithin.Seconds())); err != nil {
		return err
	}
	rate := func(t telling) float64 { return t.rate }
	for i, t := range a.untold {
		if err := s.add(compared("attach, "+by, report.PerSecond, each(ours, rate), t.Name, each(told[i+1], rate))); err != nil {
			return err
		}
	}
	return nil
}
