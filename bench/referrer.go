package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// rare is how many referrers of a subject have the type that is filtered by.
const (
	rare     = 10
	rareType = "application/vnd.example.rare"
)

// takeReferrers measures lists of referrers: beside the peers, and whether the
// time grows with what is listed or with what there is.
func takeReferrers(ctx context.Context, s *stage) error {
	registries, err := s.all(ctx)
	if err != nil {
		return err
	}
	if registries, err = withReferrers(ctx, registries); err != nil {
		return err
	}
	for _, n := range []int{1, 100, s.referrersAll} {
		// One by one: not every registry keeps all that is attached at once.
		lists, err := attachMany(ctx, registries, 1, n)
		if err != nil {
			return err
		}
		if err := s.raceLists(ctx, fmt.Sprintf("referrers, all of %d", n), lists); err != nil {
			return err
		}
		if n <= rare {
			continue
		}
		if err := s.raceLists(ctx, fmt.Sprintf("referrers, %d of %d by type", rare, n), filtered(lists)); err != nil {
			return err
		}
	}
	return s.takeGrowth(ctx, registries[:1])
}

// raceLists reports the first list beside each of the others.
func (s *stage) raceLists(ctx context.Context, name string, lists []list) error {
	times, err := s.timeLists(ctx, lists)
	if err != nil {
		return err
	}
	for i, theirs := range lists[1:] {
		if err := s.add(compared(name, report.Seconds, times[0], theirs.Name, times[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// takeGrowth compares us with ourselves: many referrers with few.
func (s *stage) takeGrowth(ctx context.Context, ours []*target.Target) error {
	const few = 100
	lists, err := attachMany(ctx, ours, 16, s.referrers)
	if err != nil {
		return err
	}
	less, err := attachMany(ctx, ours, 16, few)
	if err != nil {
		return err
	}
	lists = append(lists, less...)
	times, err := s.timeLists(ctx, filtered(lists))
	if err != nil {
		return err
	}
	peer := fmt.Sprintf("of %d", few)
	row := compared(fmt.Sprintf("referrers, %d of %d by type", rare, s.referrers), report.Seconds, times[0], peer, times[1])
	row.Wanted.AtMost = flat
	if err := s.add(row); err != nil {
		return err
	}
	if times, err = s.timeLists(ctx, lists); err != nil {
		return err
	}
	row = compared(fmt.Sprintf("referrers, all of %d, each", s.referrers), report.Seconds,
		apiece(times[0], s.referrers), peer, apiece(times[1], few))
	row.Wanted.AtMost = flat
	row.Note = fmt.Sprintf("the list of %d takes %.1f ms", s.referrers, report.Median(times[0])*1e3)
	return s.add(row)
}

func apiece(times []float64, n int) []float64 {
	return each(times, func(t float64) float64 { return t / float64(n) })
}

// filtered is the part of lists that is of the rare type.
func filtered(lists []list) []list {
	var part []list
	for _, l := range lists {
		l.path += "?" + url.Values{"artifactType": {rareType}}.Encode()
		l.entries = rare
		part = append(part, l)
	}
	return part
}

// attachMany attaches n artifacts to a new subject in each registry, so many at
// a time, and with one layer for all. Some are of the rare type.
func attachMany(ctx context.Context, registries []*target.Target, workers, n int) ([]list, error) {
	var lists []list
	for _, t := range registries {
		a, err := newAttacher(ctx, t)
		if err != nil {
			return nil, err
		}
		err = atOnce(workers, n, func(i int) error {
			artifactType := signatureType
			if i < rare && n > rare {
				artifactType = rareType
			}
			m := client.Artifact(a.subject, artifactType, fmt.Sprint(i), client.Empty())
			return t.PushManifest(ctx, a.repo, m.Digest, m)
		})
		if err != nil {
			return nil, err
		}
		a.attached = n
		lists = append(lists, a.list())
	}
	return lists, nil
}
