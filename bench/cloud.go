package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// What of a difference is not Berth's. On AWS these parts are others, as slow or
// as fast as AWS has made them.
const (
	besideGetItem = "all that is not the read: the local cloud's own gateway, Lambda and permission check, and the function"
	besideEmpty   = "the function with its read, and the permission check: gateway and Lambda are on both sides"
)

// A rival answers one kind of request.
type rival struct {
	*target.Target
	load load.Load
}

// takeCloud measures how long a GET of a manifest takes on the local cloud:
// beside a bare read of the item that it reads, and beside a function that does
// nothing, on a cloud of its own.
func takeCloud(ctx context.Context, s *stage) error {
	sc, err := s.newScene(ctx)
	if err != nil {
		return err
	}
	empty, err := s.emptyCloud(ctx, sc)
	if err != nil {
		return err
	}
	answer, err := empty.Get(ctx, sc.path)
	if err != nil {
		return err
	}
	read, err := sc.read(ctx)
	if err != nil {
		return err
	}
	get := load.Load{
		Method: http.MethodGet, Path: sc.path, Header: map[string]string{"Accept": manifestTypes},
		Status: http.StatusOK, Size: int64(len(sc.manifest.Body)),
	}
	nothing := get
	nothing.Size = int64(len(answer.Body))
	rivals := []rival{{sc.cloud, get}, {sc.db.Target, read}, {empty, nothing}}
	for _, connections := range s.cloudConnections {
		if err := s.raceCloud(ctx, rivals, connections); err != nil {
			return err
		}
	}
	return nil
}

// emptyCloud starts a second cloud, all of whose functions do nothing.
func (s *stage) emptyCloud(ctx context.Context, sc *scene) (*target.Target, error) {
	dir := filepath.Join(s.dir, "nothing")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make a folder of functions: %w", err)
	}
	for _, name := range ours(sc.bootstraps) {
		err := os.Symlink(filepath.Dir(sc.bootstraps[function.Empty]), filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("make a folder of functions: %w", err)
		}
	}
	return s.keep(target.Cloud(ctx, function.Empty, sc.binary, dir, sc.db, s.dir))
}

// raceCloud reports the latencies of the first rival, which is ours, beside
// those of each other. Before it counts, each is loaded once: then all of the
// environments are there that so many connections need.
//
// Where there are more connections than CPUs, most of a latency is a wait for
// one of them, and the ratio is that of what the requests cost.
func (s *stage) raceCloud(ctx context.Context, rivals []rival, connections int) error {
	turn := func(ctx context.Context, i int) (sample, error) {
		l := rivals[i].load
		l.Connections = connections
		return s.measure(ctx, rivals[i].Target, l)
	}
	if _, err := race(ctx, 1, len(rivals), turn); err != nil {
		return err
	}
	results, err := race(ctx, s.rounds, len(rivals), turn)
	if err != nil {
		return err
	}
	name := "manifest GET, " + plural(connections, "connection")
	if err := s.addLatency(name, results[0], "GetItem", results[1], besideGetItem); err != nil {
		return err
	}
	return s.addLatency(name, results[0], function.Empty, results[2], besideEmpty)
}

// addLatency reports medians and 99th percentiles, and says what is in the
// differences.
func (s *stage) addLatency(name string, ours []sample, peer string, theirs []sample, note string) error {
	if err := s.add(differing(name+", p50", each(ours, p50), peer, each(theirs, p50))); err != nil {
		return err
	}
	row := differing(name+", p99", each(ours, p99), peer, each(theirs, p99))
	row.Note = note
	return s.add(row)
}

func p50(r sample) float64 { return r.P50.Seconds() }
func p99(r sample) float64 { return r.P99.Seconds() }

// differing is a row about times, round by round, with what ours takes longer.
func differing(what string, ours []float64, peer string, theirs []float64) report.Row {
	row := compared(what, report.Seconds, ours, peer, theirs)
	row.Difference = new(report.Of(less(ours, theirs)))
	return row
}

// less is what is left of ours without theirs, round by round.
func less(ours, theirs []float64) []float64 {
	left := make([]float64, len(ours))
	for i := range ours {
		left[i] = ours[i] - theirs[i]
	}
	return left
}
