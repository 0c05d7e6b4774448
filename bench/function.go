package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/report"
)

// nearReader is how near to a function that only reads the same item a manifest
// must be served.
const nearReader = 0.6

// What of a difference between one event and its peers is whose.
const (
	besideReader = "gateway and handler: Lambda's API, the SDK and the read are on both sides"
	besideRead   = "these, the SDK, and Lambda's API, which here is this program's"
)

// takeFunction measures how many events one environment of pull answers, each
// a GET of the same manifest: beside a function that reads the same item and
// does nothing else, beside one that does nothing, and beside a bare read. The
// local cloud only holds the manifest.
func takeFunction(ctx context.Context, s *stage) error {
	sc, err := s.newScene(ctx)
	if err != nil {
		return err
	}
	feeders, err := s.newFeeders(ctx, sc)
	if err != nil {
		return err
	}
	read, err := sc.read(ctx)
	if err != nil {
		return err
	}
	read.Connections = 1
	results, err := race(ctx, s.rounds, len(feeders)+1, func(ctx context.Context, i int) (sample, error) {
		if i == len(feeders) {
			return s.measure(ctx, sc.db.Target, read)
		}
		return s.feed(ctx, feeders[i])
	})
	if err != nil {
		return err
	}
	return s.addFunction(results[0], results[1], results[2], results[3])
}

// addFunction reports the events of pull beside what its peers did.
func (s *stage) addFunction(pull, reader, empty, read []sample) error {
	rate := func(r sample) float64 { return r.Rate() }
	for _, peer := range []struct {
		name    string
		results []sample
		wanted  float64
	}{{function.Reader, reader, nearReader}, {function.Empty, empty, 0}, {"GetItem", read, 0}} {
		row := compared("events of one environment", report.PerSecond, each(pull, rate), peer.name, each(peer.results, rate))
		besides(&row.Ours, pull)
		besides(&row.Theirs, peer.results)
		row.Wanted.AtLeast = peer.wanted
		if err := s.add(row); err != nil {
			return err
		}
	}
	if err := s.addLatency("one event", pull, function.Reader, reader, besideReader); err != nil {
		return err
	}
	return s.addLatency("one event", pull, "GetItem", read, besideRead)
}

// A feeder is an environment with what it is fed.
type feeder struct {
	*function.Environment
	event []byte
	size  int // of each answer
}

// newFeeders returns those of pull, the reader and the empty function.
func (s *stage) newFeeders(ctx context.Context, sc *scene) ([]feeder, error) {
	get, err := sc.event()
	if err != nil {
		return nil, err
	}
	key, err := json.Marshal(map[string]string{"pk": sc.pk, "sk": sc.sk})
	if err != nil {
		return nil, fmt.Errorf("event of a key: %w", err)
	}
	var feeders []feeder
	for _, f := range []struct {
		name  string
		event []byte
		check func(payload []byte) error
	}{
		{"pull", get, sc.checkAnswer},
		{function.Reader, key, checkNull},
		{function.Empty, []byte("{}"), checkNull},
	} {
		one, err := s.newFeeder(ctx, sc, f.name, f.event, f.check)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		feeders = append(feeders, one)
	}
	return feeders, nil
}

// newFeeder starts a function and looks at its first answer.
func (s *stage) newFeeder(ctx context.Context, sc *scene, name string, event []byte, check func([]byte) error) (feeder, error) {
	e, err := function.Start(ctx, sc.bootstraps[name], "AWS_ENDPOINT_URL_DYNAMODB=http://"+sc.db.Host(), "BERTH_TABLE="+sc.table)
	if err != nil {
		return feeder{}, err
	}
	s.stops = append(s.stops, e.Stop)
	payload, err := e.Invoke(ctx, event)
	if err != nil {
		return feeder{}, err
	}
	return feeder{e, event, len(payload)}, check(payload)
}

// feed is measure for a function.
func (s *stage) feed(ctx context.Context, f feeder) (sample, error) {
	before, err := cpuTime(f)
	if err != nil {
		return sample{}, err
	}
	r, err := f.Load(ctx, f.event, f.size, s.duration)
	if err != nil {
		return sample{}, err
	}
	after, err := cpuTime(f)
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

// checkAnswer looks whether a function's answer is the manifest.
func (sc *scene) checkAnswer(payload []byte) error {
	var answer struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK || answer.Body != string(sc.manifest.Body) {
		return fmt.Errorf("it answered not with the manifest, but with %.500s", payload)
	}
	return nil
}

func checkNull(payload []byte) error {
	if string(payload) != "null" {
		return fmt.Errorf("it answered %.500s, wanted null", payload)
	}
	return nil
}
