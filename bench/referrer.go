package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// flat is how much slower something may become that should not depend on how
// much there is.
const flat = 1.5

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
	registries, err = withReferrers(ctx, registries)
	if err != nil {
		return err
	}
	for _, n := range []int{1, 100, s.referrersAll} {
		lists, err := attachMany(ctx, registries, n)
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

// takeGrowth compares us with ourselves: many referrers with few.
func (s *stage) takeGrowth(ctx context.Context, ours []*target.Target) error {
	few, err := attachMany(ctx, ours, 100)
	if err != nil {
		return err
	}
	many, err := attachMany(ctx, ours, s.referrers)
	if err != nil {
		return err
	}
	few[0].name, many[0].name = "of 100", "of many"
	byType, err := s.timeLists(ctx, filtered([]list{many[0], few[0]}))
	if err != nil {
		return err
	}
	err = s.add(report.Row{
		Case: fmt.Sprintf("referrers, %d of %d by type", rare, s.referrers), Unit: report.Seconds, Peer: few[0].name,
		Ours: middle(byType[0]), Theirs: middle(byType[1]),
		Ratio: ratio(each(byType[0], median), each(byType[1], median)), Wanted: report.Bound{AtMost: flat},
	})
	if err != nil {
		return err
	}
	whole, err := s.timeLists(ctx, []list{many[0], few[0]})
	if err != nil {
		return err
	}
	apiece := func(n int) func(sample) float64 {
		return func(r sample) float64 { return median(r) / float64(n) }
	}
	return s.add(report.Row{
		Case: fmt.Sprintf("referrers, all of %d, each", s.referrers), Unit: report.Seconds, Peer: few[0].name,
		Ours:   report.Value{Value: report.Median(each(whole[0], apiece(s.referrers)))},
		Theirs: report.Value{Value: report.Median(each(whole[1], apiece(100)))},
		Ratio:  ratio(each(whole[0], apiece(s.referrers)), each(whole[1], apiece(100))), Wanted: report.Bound{AtMost: flat},
		Note: fmt.Sprintf("the list of %d takes %.1f ms", s.referrers, middle(whole[0]).Value*1e3),
	})
}

// A list is something to be listed.
type list struct {
	*target.Target
	name string // in the report
	path string
}

// raceLists reports the first list beside each of the others.
func (s *stage) raceLists(ctx context.Context, name string, lists []list) error {
	results, err := s.timeLists(ctx, lists)
	if err != nil {
		return err
	}
	for i, theirs := range lists[1:] {
		err := s.add(report.Row{
			Case: name, Unit: report.Seconds, Peer: theirs.name,
			Ours: middle(results[0]), Theirs: middle(results[i+1]),
			Ratio: ratio(each(results[0], median), each(results[i+1], median)),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// timeLists gets each list again and again over one connection, in turn.
func (s *stage) timeLists(ctx context.Context, lists []list) ([][]sample, error) {
	return race(ctx, s.rounds, len(lists), func(ctx context.Context, i int) (sample, error) {
		l := load.Load{Method: http.MethodGet, Path: lists[i].path, Status: http.StatusOK, Connections: 1}
		return s.measure(ctx, lists[i].Target, l)
	})
}

// median is how long one answer took, in seconds.
func median(r sample) float64 { return r.P50.Seconds() }

func middle(results []sample) report.Value {
	return report.Value{Value: report.Median(each(results, median))}
}

// filtered is the part of lists that is of the rare type.
func filtered(lists []list) []list {
	var part []list
	for _, l := range lists {
		l.path += "?" + url.Values{"artifactType": {rareType}}.Encode()
		part = append(part, l)
	}
	return part
}

// attachMany attaches n artifacts to a new subject in each registry, quickly:
// many at once, and with one layer for all. Some are of the rare type.
func attachMany(ctx context.Context, registries []*target.Target, n int) ([]list, error) {
	var lists []list
	for _, t := range registries {
		a, err := newAttacher(ctx, t)
		if err != nil {
			return nil, err
		}
		err = atOnce(16, n, func(i int) error {
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
		lists = append(lists, list{t, t.Name, "/v2/" + a.repo + "/referrers/" + a.subject.Digest})
	}
	return lists, nil
}
