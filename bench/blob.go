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

// beyondDistribution is how much faster a blob must be served: distribution
// copies its bytes, and nobody needs to.
const beyondDistribution = 2

// takeBlob measures how fast layers are served, and what that costs: a server
// that copies each byte shows it in its CPU time, also where the network would
// hide it.
func takeBlob(ctx context.Context, s *stage) error {
	registries, err := s.all(ctx)
	if err != nil {
		return err
	}
	maker := client.NewMaker()
	for _, c := range []struct {
		size        int64
		connections int
	}{{1 << 20, 8}, {s.largeBlob, 1}} {
		if err := s.raceBlob(ctx, registries, maker.Blob(c.size), c.connections); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) raceBlob(ctx context.Context, registries []*target.Target, b client.Blob, connections int) error {
	repo := repo("blob")
	for _, t := range registries {
		if err := t.StreamBlob(ctx, repo, b); err != nil {
			return err
		}
	}
	l := load.Load{
		Method: http.MethodGet, Path: "/v2/" + repo + "/blobs/" + b.Digest,
		Status: http.StatusOK, Size: b.Size, Connections: connections,
	}
	results, err := race(ctx, s.rounds, len(registries), func(ctx context.Context, i int) (sample, error) {
		return s.measure(ctx, registries[i], l)
	})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("blob GET %d MiB, %s", b.Size>>20, plural(connections, "connection"))
	throughput := func(r sample) float64 { return r.Throughput() }
	for i, rival := range registries[1:] {
		row := compared(name, report.Bandwidth, each(results[0], throughput), rival.Name, each(results[i+1], throughput))
		row.Ours.CPUPerGiB, row.Theirs.CPUPerGiB = cpuPerGiB(results[0]), cpuPerGiB(results[i+1])
		row.Wanted.AtLeast = 1
		if rival.Name == "distribution" {
			row.Wanted.AtLeast = beyondDistribution
		}
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

func cpuPerGiB(results []sample) float64 {
	return report.Median(each(results, func(r sample) float64 { return r.cpu.Seconds() / float64(r.Bytes) * (1 << 30) }))
}
