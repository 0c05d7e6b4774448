package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

const (
	// nearOpen is how near to a registry that asks nobody a manifest must be
	// served to somebody who has a token and may pull all of the repository. A
	// tenth goes into knowing who that is, some more into saying so in the log.
	nearOpen = 0.75
	// sharedPlatforms are in each image index that is pushed.
	sharedPlatforms = 4
)

// A passage is a way to ask for something: as whom, and with what hint, if any.
type passage struct{ name, user, hint string }

// takeAccess measures what it costs to know who asks, and to find out whether a
// layer belongs to a tag.
func takeAccess(ctx context.Context, s *stage) error {
	open, err := s.ours(ctx)
	if err != nil {
		return err
	}
	guarded, err := s.keep(target.Guarded(ctx, s.berth, s.dir))
	if err != nil {
		return err
	}
	if err := s.compareToOpen(ctx, open, guarded); err != nil {
		return err
	}
	return s.compareHints(ctx, guarded)
}

// compareToOpen measures a manifest by tag with a token beside one without.
func (s *stage) compareToOpen(ctx context.Context, open, guarded *target.Target) error {
	repo := repo("access")
	m, err := pushSmallImage(ctx, []*target.Target{open, guarded}, repo)
	if err != nil {
		return err
	}
	token, err := guarded.Token(ctx, target.Builder, repo)
	if err != nil {
		return err
	}
	rivals := []*target.Target{guarded, open}
	for _, connections := range []int{1, 8} {
		l := load.Load{
			Method: http.MethodGet, Path: "/v2/" + repo + "/manifests/1.0", Size: int64(len(m.Body)),
			Status: http.StatusOK, Connections: connections, Header: map[string]string{"Accept": manifestTypes},
		}
		results, err := race(ctx, s.rounds, len(rivals), func(ctx context.Context, i int) (sample, error) {
			l := l
			if i == 0 {
				l.Header = map[string]string{"Accept": manifestTypes, "Authorization": "Bearer " + token}
			}
			return s.measure(ctx, rivals[i], l)
		})
		if err != nil {
			return err
		}
		rate := func(r sample) float64 { return r.Rate() }
		row := compared("manifest GET by tag with a token, "+plural(connections, "connection"), report.PerSecond,
			each(results[0], rate), "open", each(results[1], rate))
		besides(&row.Ours, results[0])
		besides(&row.Theirs, results[1])
		row.Wanted.AtLeast = nearOpen
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// compareHints measures a layer that all images of a repository share, for
// somebody who may pull one of its tags only: the last one, which a search that
// begins at the layer comes to late.
func (s *stage) compareHints(ctx context.Context, t *target.Target) error {
	repo := repo("hint")
	layer, platform, err := pushSharing(ctx, t, repo, s.sharing)
	if err != nil {
		return err
	}
	ref := t.Host() + "/" + repo
	tag, both := ref+":"+target.LimitedTag, ref+":"+target.LimitedTag+"@"+platform
	ways := []passage{
		{"all of it may be pulled", target.Builder, ""},
		{"one tag, hinted with the platform", target.Limited, both},
		{"one tag, hinted", target.Limited, tag},
		{"one tag, without a hint", target.Limited, ""},
	}
	times, err := race(ctx, s.rounds, len(ways), func(ctx context.Context, i int) (sample, error) {
		token, err := t.Token(ctx, ways[i].user, repo)
		if err != nil {
			return sample{}, err
		}
		header := map[string]string{"Authorization": "Bearer " + token}
		if hint := ways[i].hint; hint != "" {
			header["OCI-Ref"] = hint
		}
		return s.measure(ctx, t, load.Load{
			Method: http.MethodGet, Path: "/v2/" + repo + "/blobs/" + layer.Digest, Size: layer.Size,
			Status: http.StatusOK, Connections: 1, Header: header,
		})
	})
	if err != nil {
		return err
	}
	p50 := func(r sample) float64 { return r.P50.Seconds() }
	for i, way := range ways[1:] {
		row := compared(fmt.Sprintf("GET of a layer that %d tags share: %s", s.sharing, way.name), report.Seconds,
			each(times[i+1], p50), ways[0].name, each(times[0], p50))
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// pushSharing pushes n image indexes that all have one layer, each under a tag
// of its own, and returns that layer and a platform of the last one.
func pushSharing(ctx context.Context, t *target.Target, repo string, n int) (client.Blob, string, error) {
	maker := client.NewMaker()
	shared, config := maker.Blob(4<<10), maker.Blob(2<<10)
	for _, b := range []client.Blob{shared, config} {
		if err := t.PushBlob(ctx, repo, b); err != nil {
			return shared, "", err
		}
	}
	push := func(tag string) (platform string, err error) {
		var images []client.Manifest
		for range sharedPlatforms {
			own := maker.Blob(16)
			if err := t.PushBlob(ctx, repo, own); err != nil {
				return "", err
			}
			image := client.Image(config, shared, own)
			if err := t.PushManifest(ctx, repo, image.Digest, image); err != nil {
				return "", err
			}
			images = append(images, image)
		}
		return images[0].Digest, t.PushManifest(ctx, repo, tag, client.Index(images...))
	}
	for i := range n - 1 {
		if _, err := push(tagName(i)); err != nil {
			return shared, "", err
		}
	}
	platform, err := push(target.LimitedTag)
	return shared, platform, err
}
