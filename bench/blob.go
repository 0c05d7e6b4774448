package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

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
	}{{1 << 20, 8}, {s.largeBlob, 2}} {
		if err := s.raceBlob(ctx, registries, maker.Blob(c.size), c.connections); err != nil {
			return err
		}
	}
	return nil
}

// A download is a load of blobs and the CPU time that the server took for it.
type download struct {
	load.Result
	cpu time.Duration // 0 if not known
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
		Status: http.StatusOK, Connections: connections,
	}
	results, err := race(ctx, s.rounds, len(registries), func(ctx context.Context, i int) (download, error) {
		return s.download(ctx, registries[i], l)
	})
	if err != nil {
		return err
	}
	throughput := func(d download) float64 { return d.Throughput() }
	for i, rival := range registries[1:] {
		row := report.Row{
			Case: fmt.Sprintf("blob GET %d MiB, %s", b.Size>>20, plural(connections, "connection")),
			Unit: report.Bandwidth, Peer: rival.Name,
			Ours: downloaded(results[0]), Theirs: downloaded(results[i+1]),
			Ratio:  ratio(each(results[0], throughput), each(results[i+1], throughput)),
			Wanted: report.Bound{AtLeast: 1},
		}
		if rival.Name == "distribution" {
			row.Wanted.AtLeast = 2
		}
		if err := s.add(row); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) download(ctx context.Context, t *target.Target, l load.Load) (download, error) {
	before, err := t.CPUTime()
	if err != nil && !errors.Is(err, machine.ErrUnknown) {
		return download{}, err
	}
	r, err := s.measure(ctx, t, l)
	if err != nil {
		return download{}, err
	}
	after, err := t.CPUTime()
	if err != nil && !errors.Is(err, machine.ErrUnknown) {
		return download{}, err
	}
	return download{r, after - before}, nil
}

func downloaded(results []download) report.Value {
	return report.Value{
		Value: report.Median(each(results, func(d download) float64 { return d.Throughput() })),
		CPU:   report.Median(each(results, func(d download) float64 { return d.cpu.Seconds() / float64(d.Bytes) * (1 << 30) })),
	}
}
