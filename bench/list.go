package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/target"
)

// flat is how much slower a list may become that should not depend on how much
// there is.
const flat = 1.5

// A list is something that a registry lists in one answer.
type list struct {
	*target.Target
	path    string
	entries int
}

// size is the length of the answer, in bytes, whose entries are counted: a
// list that leaves some out would be a fast one.
func (l list) size(ctx context.Context) (int64, error) {
	a, err := l.Get(ctx, l.path)
	if err != nil {
		return 0, err
	}
	var listed struct{ Manifests, Tags []json.RawMessage }
	if err := json.Unmarshal(a.Body, &listed); err != nil {
		return 0, fmt.Errorf("%s: list %s: %w", l.Name, l.path, err)
	}
	if n := len(listed.Manifests) + len(listed.Tags); n != l.entries {
		return 0, fmt.Errorf("%s: list %s has %d entries, want %d", l.Name, l.path, n, l.entries)
	}
	return int64(len(a.Body)), nil
}

// timeLists gets each list again and again over one connection, in turn, and
// returns how long one answer took, by list and round, in seconds.
func (s *stage) timeLists(ctx context.Context, lists []list) ([][]float64, error) {
	loads := make([]load.Load, len(lists))
	for i, l := range lists {
		size, err := l.size(ctx)
		if err != nil {
			return nil, err
		}
		loads[i] = load.Load{Method: http.MethodGet, Path: l.path, Status: http.StatusOK, Size: size, Connections: 1}
	}
	return race(ctx, s.rounds, len(lists), func(ctx context.Context, i int) (float64, error) {
		r, err := s.measure(ctx, lists[i].Target, loads[i])
		return r.P50.Seconds(), err
	})
}
