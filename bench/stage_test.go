package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/bench/report"
)

func TestRaceTakesTurns(t *testing.T) {
	var order []int
	results, err := race(t.Context(), 3, 3, func(_ context.Context, rival int) (int, error) {
		order = append(order, rival)
		return 10*rival + len(order), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 1, 2, 1, 2, 0, 2, 0, 1}; !slices.Equal(order, want) {
		t.Errorf("order: got %v, want %v", order, want)
	}
	for rival, want := range [][]int{{1, 6, 8}, {12, 14, 19}, {23, 25, 27}} {
		if !slices.Equal(results[rival], want) {
			t.Errorf("rival %d: got %v, want %v", rival, results[rival], want)
		}
	}
}

func TestRaceEndsWithAnError(t *testing.T) {
	broken := errors.New("broken")
	_, err := race(t.Context(), 2, 2, func(_ context.Context, rival int) (int, error) {
		if rival == 1 {
			return 0, broken
		}
		return 0, nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestRatioIsTakenRoundByRound(t *testing.T) {
	// The machine was slow in the second round, for both.
	got := ratio([]float64{8, 2, 9}, []float64{10, 2, 10})
	if want := (report.Spread{Median: 0.9, Low: 0.8, High: 1}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAtOnce(t *testing.T) {
	var sum, running, most atomic.Int64
	err := atOnce(4, 100, func(i int) error {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		sum.Add(int64(i))
		running.Add(-1)
		return nil
	})
	if err != nil || sum.Load() != 4950 {
		t.Errorf("got sum %d, %v; want 4950", sum.Load(), err)
	}
	if most.Load() > 4 {
		t.Errorf("%d ran at once, want 4 at most", most.Load())
	}
}

func TestAtOnceEndsWithAnError(t *testing.T) {
	broken := errors.New("broken")
	err := atOnce(4, 1000, func(int) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestSettings(t *testing.T) {
	s, err := parse([]string{"tags", "--smoke", "--peer", "zot=http://127.0.0.1:1", "blob", "--rounds", "7"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.figures) != 2 || s.figures[0].name != "tags" || s.figures[1].name != "blob" {
		t.Errorf("figures: got %v", s.figures)
	}
	if s.rounds != 7 || s.tags != smokeScale().tags {
		t.Errorf("scale: got %+v", s.scale)
	}
	if want := (peer{"zot", "http://127.0.0.1:1"}); len(s.peers) != 1 || s.peers[0] != want {
		t.Errorf("peers: got %v, want %v", s.peers, want)
	}
}

func TestSettingsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"nothing"}, {"--peer", "zot"}, {"--fast"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	if _, err := parse([]string{"nothing"}, io.Discard); !strings.Contains(err.Error(), "manifest") {
		t.Errorf("the error does not say what there is: %v", err)
	}
}
