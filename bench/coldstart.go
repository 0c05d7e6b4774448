package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/berthregistry/berth/bench/function"
	"github.com/berthregistry/berth/bench/report"
)

const (
	// nearEmpty is how much longer than a function that does nothing one of
	// ours may take to start.
	nearEmpty = 1.5
	// issuing is the function that makes tokens. It starts once in a while, not
	// with each image, and has much to bring along: expressions, for one.
	issuing = "token"
	// bootstrapLimit is how large one may be, in bytes: Lambda fetches it
	// before a cold start.
	bootstrapLimit = 20 << 20
)

// takeColdStart measures functions from their start to their first call for
// work, and how large they are.
func takeColdStart(ctx context.Context, s *stage) error {
	bootstraps, err := function.Build(ctx, ".", filepath.Join(s.dir, "native"), true)
	if err != nil {
		return err
	}
	names := ours(bootstraps)
	rivals := append(names, function.Empty)
	times, err := race(ctx, s.starts, len(rivals), func(ctx context.Context, i int) (time.Duration, error) {
		return function.ColdStart(ctx, bootstraps[rivals[i]])
	})
	if err != nil {
		return err
	}
	empty := each(times[len(names)], time.Duration.Seconds)
	for i, name := range names {
		row := compared("cold start of "+name, report.Seconds, each(times[i], time.Duration.Seconds), function.Empty, empty)
		if name != issuing {
			row.Wanted.AtMost = nearEmpty
		}
		if err := s.add(row); err != nil {
			return err
		}
	}
	return s.addSizes(ctx)
}

// addSizes says how large the bootstraps for Lambda are.
func (s *stage) addSizes(ctx context.Context) error {
	bootstraps, err := function.Build(ctx, ".", filepath.Join(s.dir, "lambda"), false)
	if err != nil {
		return err
	}
	for _, name := range ours(bootstraps) {
		info, err := os.Stat(bootstraps[name])
		if err != nil {
			return fmt.Errorf("size of %s: %w", name, err)
		}
		err = s.add(limited("bootstrap of "+name+" for Lambda", report.Bytes, float64(info.Size()), bootstrapLimit))
		if err != nil {
			return err
		}
	}
	return nil
}

// ours are the names of the functions that are Berth's.
func ours(bootstraps map[string]string) []string {
	var names []string
	for name := range bootstraps {
		if name != function.Empty && name != function.Reader {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
