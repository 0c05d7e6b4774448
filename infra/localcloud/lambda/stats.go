package lambda

import (
	"cmp"
	"slices"
	"time"
)

// Stats says what a function has done since it was made, and with what.
type Stats struct {
	Invocations  int64              `json:"invocations"` // that reached an environment
	ColdStarts   int64              `json:"coldStarts"`
	Throttled    int64              `json:"throttled"`
	Failed       int64              `json:"failed"` // errors of the function, time-outs and exits among them
	Environments []EnvironmentStats `json:"environments"`
}

// EnvironmentStats is one environment, at this moment.
type EnvironmentStats struct {
	Name        string        `json:"name"`  // the prefix of its lines in the log
	State       string        `json:"state"` // starting, busy or idle
	Invocations int64         `json:"invocations"`
	Age         time.Duration `json:"age"`
}

// Stats returns the figures of this moment, the oldest environment first.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Environments = make([]EnvironmentStats, 0, len(f.all))
	for e := range f.all {
		s.Environments = append(s.Environments, EnvironmentStats{
			Name: e.name, State: e.state.Load().(string), Invocations: e.invocations.Load(), Age: time.Since(e.started),
		})
	}
	slices.SortFunc(s.Environments, func(a, b EnvironmentStats) int { return cmp.Compare(b.Age, a.Age) })
	return s
}

// count changes the figures.
func (f *Function) count(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}
