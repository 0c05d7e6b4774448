package main

import (
	"context"
	"fmt"

	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

const (
	tagsPerPush = 30 // what one request may set
	tagsPerPage = 100
)

// takeTags measures pages of a long list of tags beside the only page of a
// short one.
func takeTags(ctx context.Context, s *stage) error {
	ours, err := s.ours(ctx)
	if err != nil {
		return err
	}
	short, err := pushTags(ctx, ours, tagsPerPage)
	if err != nil {
		return err
	}
	long, err := pushTags(ctx, ours, s.tags)
	if err != nil {
		return err
	}
	page := fmt.Sprintf("/tags/list?n=%d", tagsPerPage)
	lists := []list{{ours, "of 100", "/v2/" + short + page}}
	for _, p := range []struct {
		name  string
		first int
	}{{"first", 0}, {"middle", s.tags / 2}, {"last", s.tags - tagsPerPage}} {
		path := "/v2/" + long + page
		if p.first > 0 {
			path += "&last=" + tagName(p.first-1)
		}
		lists = append(lists, list{ours, p.name, path})
	}
	results, err := s.timeLists(ctx, lists)
	if err != nil {
		return err
	}
	for i, l := range lists[1:] {
		err := s.add(report.Row{
			Case: fmt.Sprintf("tags, the %s page of %d", l.name, s.tags), Unit: report.Seconds,
			Ours: middle(results[i+1]), Peer: lists[0].name, Theirs: middle(results[0]),
			Ratio: ratio(each(results[i+1], median), each(results[0], median)), Wanted: report.Bound{AtMost: flat},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pushTags tags one manifest n times, in a new repository.
func pushTags(ctx context.Context, t *target.Target, n int) (repo string, err error) {
	a, err := newAttacher(ctx, t)
	if err != nil {
		return "", err
	}
	if err := t.DeleteTag(ctx, a.repo, imageManifest); err != nil {
		return "", err
	}
	return a.repo, atOnce(8, (n+tagsPerPush-1)/tagsPerPush, func(i int) error {
		var tags []string
		for k := i * tagsPerPush; k < min((i+1)*tagsPerPush, n); k++ {
			tags = append(tags, tagName(k))
		}
		return t.PushManifest(ctx, a.repo, a.subject.Digest, a.subject, tags...)
	})
}

// tagName returns names whose order is that of the numbers.
func tagName(n int) string { return fmt.Sprintf("v%07d", n) }
