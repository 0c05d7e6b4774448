package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/report"
)

// besideRead says what of an event is not the read of the item.
const besideRead = "all that is not the read: Lambda's API, which here is this program's, and the function"

// takeFunction measures how many events one environment answers, each a GET of
// the same manifest: beside a function that does nothing, and beside a bare read
// of the item that each of them reads. The local cloud has no part in it.
func takeFunction(ctx context.Context, s *stage) error {
	sc, err := s.newScene(ctx)
	if err != nil {
		return err
	}
	event, err := sc.event()
	if err != nil {
		return err
	}
	pull, err := function.Start(ctx, sc.bootstraps["pull"],
		"AWS_ENDPOINT_URL_DYNAMODB=http://"+sc.db.Host(), "BERTH_TABLE="+sc.table)
	if err != nil {
		return err
	}
	defer pull.Stop()
	empty, err := function.Start(ctx, sc.bootstraps[function.Empty])
	if err != nil {
		return err
	}
	defer empty.Stop()
	size, err := sc.ask(ctx, pull, event)
	if err != nil {
		return err
	}
	read := sc.item
	read.Connections = 1
	turns := []func(context.Context) (sample, error){
		func(ctx context.Context) (sample, error) { return s.feed(ctx, pull, event, size) },
		func(ctx context.Context) (sample, error) { return s.feed(ctx, empty, event, len("null")) },
		func(ctx context.Context) (sample, error) { return s.measure(ctx, sc.db.Target, read) },
	}
	results, err := race(ctx, s.rounds, len(turns), func(ctx context.Context, i int) (sample, error) { return turns[i](ctx) })
	if err != nil {
		return err
	}
	return s.addFunction(results[0], results[1], results[2])
}

// addFunction reports what is ours, an empty function's, and the bare read's.
func (s *stage) addFunction(pull, empty, read []sample) error {
	rate := func(r sample) float64 { return r.Rate() }
	for _, peer := range []struct {
		name    string
		results []sample
	}{{function.Empty, empty}, {"GetItem", read}} {
		row := compared("events of one environment", report.PerSecond, each(pull, rate), peer.name, each(peer.results, rate))
		besides(&row.Ours, pull)
		besides(&row.Theirs, peer.results)
		if err := s.add(row); err != nil {
			return err
		}
	}
	if err := s.addLatency("one event", pull, "GetItem", read, besideRead); err != nil {
		return err
	}
	row := differing("one event less an empty one, p50", less(each(pull, p50), each(empty, p50)), "GetItem", each(read, p50))
	row.Note = "what the function itself takes: gateway, handler, and DynamoDB's client"
	return s.add(row)
}

// feed is measure for a function.
func (s *stage) feed(ctx context.Context, e *function.Environment, event []byte, size int) (sample, error) {
	before, err := cpuTime(e)
	if err != nil {
		return sample{}, err
	}
	r, err := e.Load(ctx, event, size, s.duration)
	if err != nil {
		return sample{}, err
	}
	after, err := cpuTime(e)
	return sample{r, after - before}, err
}

// event is a GET of the manifest as the gateway hands it to a function: that of
// the project's samples, with another path.
func (sc *scene) event() ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join("events", "http-api", "manifest-get.json"))
	if err != nil {
		return nil, fmt.Errorf("read an event: %w", err)
	}
	var event map[string]any
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, fmt.Errorf("read an event: %w", err)
	}
	event["rawPath"] = sc.path
	return json.Marshal(event)
}

// ask looks whether the function answers with the manifest, and returns how
// long its answers are.
func (sc *scene) ask(ctx context.Context, pull *function.Environment, event []byte) (size int, err error) {
	payload, err := pull.Invoke(ctx, event)
	if err != nil {
		return 0, err
	}
	var answer struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		return 0, fmt.Errorf("answer of the function: %w", err)
	}
	if answer.StatusCode != 200 || !bytes.Equal([]byte(answer.Body), sc.manifest.Body) {
		return 0, fmt.Errorf("answer of the function: not the manifest but %.500s", payload)
	}
	return len(payload), nil
}
