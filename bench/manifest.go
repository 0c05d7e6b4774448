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

// nearBare is how near to a server that does nothing a manifest must be served.
const nearBare = 0.6

// takeManifest measures how fast one manifest is served.
func takeManifest(ctx context.Context, s *stage) error {
	registries, err := s.all(ctx)
	if err != nil {
		return err
	}
	repo := repo("manifest")
	m, err := pushSmallImage(ctx, registries, repo)
	if err != nil {
		return err
	}
	byTag, byDigest := "/v2/"+repo+"/manifests/1.0", "/v2/"+repo+"/manifests/"+m.Digest
	answer, err := registries[0].Get(ctx, byTag)
	if err != nil {
		return err
	}
	bare, err := s.bare(ctx, answer)
	if err != nil {
		return err
	}
	rivals := append([]*target.Target{registries[0], bare}, registries[1:]...)
	for _, c := range []struct {
		name string
		load load.Load
	}{
		{"GET by tag", load.Load{Method: http.MethodGet, Path: byTag, Size: int64(len(m.Body))}},
		{"GET by digest", load.Load{Method: http.MethodGet, Path: byDigest, Size: int64(len(m.Body))}},
		{"HEAD by tag", load.Load{Method: http.MethodHead, Path: byTag}},
	} {
		for _, c.load.Connections = range s.connections {
			name := fmt.Sprintf("manifest %s, %s", c.name, plural(c.load.Connections, "connection"))
			if err := s.raceManifest(ctx, name, rivals, c.load); err != nil {
				return err
			}
		}
	}
	return nil
}

// manifestTypes are what clients say that they take.
const manifestTypes = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

func (s *stage) raceManifest(ctx context.Context, name string, rivals []*target.Target, l load.Load) error {
	l.Status, l.Header = http.StatusOK, map[string]string{"Accept": manifestTypes}
	results, err := race(ctx, s.rounds, len(rivals), func(ctx context.Context, i int) (sample, error) {
		return s.measure(ctx, rivals[i], l)
	})
	if err != nil {
		return err
	}
	rate := func(r sample) float64 { return r.Rate() }
	for i, rival := range rivals[1:] {
		row := compared(name, report.PerSecond, each(results[0], rate), rival.Name, each(results[i+1], rate))
		besides(&row.Ours, results[0])
		besides(&row.Theirs, results[i+1])
		row.Wanted.AtLeast = 1
		if rival.Name == "bare" {
			row.Wanted.AtLeast = nearBare
		}
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// besides adds what a rate does not say.
func besides(v *report.Value, results []sample) {
	v.P99 = report.Median(each(results, func(r sample) float64 { return r.P99.Seconds() }))
	v.CPUPerRequest = report.Median(each(results, func(r sample) float64 { return r.cpu.Seconds() / float64(r.Requests) }))
}

// pushSmallImage pushes one image, whose manifest is of usual size, to all
// registries, tagged 1.0.
func pushSmallImage(ctx context.Context, registries []*target.Target, repo string) (client.Manifest, error) {
	maker := client.NewMaker()
	config := maker.Blob(2 << 10)
	var layers []client.Blob
	for range 6 {
		layers = append(layers, maker.Blob(4<<10))
	}
	m := client.Image(config, layers...)
	for _, t := range registries {
		for _, b := range append([]client.Blob{config}, layers...) {
			if err := t.PushBlob(ctx, repo, b); err != nil {
				return m, err
			}
		}
		if err := t.PushManifest(ctx, repo, "1.0", m); err != nil {
			return m, err
		}
	}
	return m, nil
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}
