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
	lists := []list{{ours, "/v2/" + short + page, tagsPerPage}}
	names := []string{"first", "middle", "last"}
	for i := range names {
		path := "/v2/" + long + page
		if first := (s.tags - tagsPerPage) * i / 2; first > 0 {
			path += "&last=" + tagName(first-1)
		}
		lists = append(lists, list{ours, path, tagsPerPage})
	}
	times, err := s.timeLists(ctx, lists)
	if err != nil {
		return err
	}
	for i, name := range names {
		row := compared(fmt.Sprintf("tags, the %s page of %d", name, s.tags), report.Seconds,
			times[i+1], fmt.Sprintf("of %d", tagsPerPage), times[0])
		row.Wanted.AtMost = flat
		if err := s.add(row); err != nil {
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
