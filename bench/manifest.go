package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

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
	digest, err := pushSmallImage(ctx, registries, repo)
	if err != nil {
		return err
	}
	byTag, byDigest := "/v2/"+repo+"/manifests/1.0", "/v2/"+repo+"/manifests/"+digest
	answer, err := registries[0].Get(ctx, byTag)
	if err != nil {
		return err
	}
	bare, err := s.bare(ctx, answer)
	if err != nil {
		return err
	}
	rivals := append([]*target.Target{registries[0], bare}, registries[1:]...)
	for _, c := range []struct{ name, method, path string }{
		{"GET by tag", http.MethodGet, byTag},
		{"GET by digest", http.MethodGet, byDigest},
		{"HEAD by tag", http.MethodHead, byTag},
	} {
		for _, connections := range s.connections {
			name := fmt.Sprintf("manifest %s, %s", c.name, plural(connections, "connection"))
			l := load.Load{Method: c.method, Path: c.path, Connections: connections}
			if err := s.raceManifest(ctx, name, rivals, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) raceManifest(ctx context.Context, name string, rivals []*target.Target, l load.Load) error {
	l.Status = http.StatusOK
	l.Header = map[string]string{"Accept": strings.Join([]string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
	}, ", ")}
	results, err := race(ctx, s.rounds, len(rivals), func(ctx context.Context, i int) (sample, error) {
		return s.measure(ctx, rivals[i], l)
	})
	if err != nil {
		return err
	}
	rate := func(r sample) float64 { return r.Rate() }
	for i, rival := range rivals[1:] {
		row := report.Row{
			Case: name, Unit: report.PerSecond, Peer: rival.Name,
			Ours: served(results[0]), Theirs: served(results[i+1]),
			Ratio:  ratio(each(results[0], rate), each(results[i+1], rate)),
			Wanted: report.Bound{AtLeast: 1},
		}
		if rival.Name == "bare" {
			row.Wanted.AtLeast = nearBare
		}
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

// served is what a rival made of its rounds.
func served(results []sample) report.Value {
	return report.Value{
		Value:         report.Median(each(results, func(r sample) float64 { return r.Rate() })),
		P99:           report.Median(each(results, func(r sample) float64 { return r.P99.Seconds() })),
		CPUPerRequest: report.Median(each(results, func(r sample) float64 { return r.cpu.Seconds() / float64(r.Requests) })),
	}
}

// pushSmallImage pushes one image, whose manifest is of usual size, to all
// registries, tagged 1.0.
func pushSmallImage(ctx context.Context, registries []*target.Target, repo string) (digest string, err error) {
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
				return "", err
			}
		}
		if err := t.PushManifest(ctx, repo, "1.0", m); err != nil {
			return "", err
		}
	}
	return m.Digest, nil
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}
