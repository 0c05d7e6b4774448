package stream

import (
	"context"
	"slices"
	"time"
)

// A run is a part of a batch that is delivered as one.
type run struct {
	records  []record
	attempts int  // deliveries that failed, of just these records
	repeated bool // by the fault
}

// deliver brings a batch to its end: every record was part of a success, or was
// given up. Only the end of ctx keeps it from that, and is returned.
func (m *Mapping) deliver(ctx context.Context, sh *shard, batch []record) error {
	todo := []run{{records: batch}}
	for len(todo) > 0 {
		r := m.dropOld(ctx, sh, todo[0])
		if len(r.records) == 0 {
			todo = todo[1:]
			continue
		}
		m.setAge(sh, r.records[0].created)
		rest, err := m.attempt(ctx, sh, r)
		if err != nil {
			return err
		}
		todo = slices.Replace(todo, 0, 1, rest...)
	}
	return nil
}

// attempt delivers a run once, and returns what is still to be delivered of it.
func (m *Mapping) attempt(ctx context.Context, sh *shard, r run) ([]run, error) {
	if m.Delay != nil {
		if err := pause(ctx, m.Delay()); err != nil {
			return nil, err
		}
	}
	answer, err := m.Invoke(ctx, event(r.records))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // whatever came of it, it is delivered again
	}
	if err != nil {
		m.Log.WarnContext(ctx, "the event did not reach the function", "shard", sh.id, "err", err)
		sh.failures++
		return []run{r}, m.backOff(ctx, sh)
	}
	failed, whole := m.judge(answer, r.records)
	m.count(func(s *Stats) { s.Batches++ })
	if failed == len(r.records) {
		return m.succeeded(ctx, sh, r), nil
	}
	m.count(func(s *Stats) { s.Failures++ })
	return m.failed(ctx, sh, r, answer, failed, whole)
}

// succeeded notes a run as done, unless the fault has it delivered once more:
// then its success was not noticed.
func (m *Mapping) succeeded(ctx context.Context, sh *shard, r run) []run {
	if m.Repeat != nil && !r.repeated && m.Repeat() {
		r.repeated = true
		return []run{r}
	}
	m.done(ctx, sh, r.records)
	return nil
}

// failed decides about a run that failed from one of its records on, or as a
// whole.
func (m *Mapping) failed(ctx context.Context, sh *shard, r run, a Answer, from int, whole bool) ([]run, error) {
	var rest []run
	r.attempts++
	switch {
	case from > 0:
		m.done(ctx, sh, r.records[:from])
		rest = []run{{records: r.records[from:]}}
	case whole && m.BisectBatchOnFunctionError && len(r.records) > 1:
		half := len(r.records) / 2 // and no retry is counted
		rest = []run{{records: r.records[:half]}, {records: r.records[half:]}}
	case m.MaximumRetryAttempts != nil && r.attempts > *m.MaximumRetryAttempts:
		m.giveUp(ctx, sh, r, RetryAttemptsExhausted, a)
		return nil, nil
	default:
		rest = []run{r}
	}
	sh.failures++
	return rest, m.backOff(ctx, sh)
}

// done notes that everything up to the last of these records is delivered.
func (m *Mapping) done(ctx context.Context, sh *shard, records []record) {
	sh.failures = 0
	m.count(func(s *Stats) { s.Records += int64(len(records)) })
	m.checkpoint(ctx, sh, records[len(records)-1].sequence, false)
	m.setAge(sh, time.Time{})
}

// dropOld gives up the records at the head of a run that have become too old,
// and returns the run without them.
func (m *Mapping) dropOld(ctx context.Context, sh *shard, r run) run {
	if m.MaximumRecordAge == 0 {
		return r
	}
	limit, n := time.Now().Add(-m.MaximumRecordAge), 0
	for n < len(r.records) && r.records[n].created.Before(limit) {
		n++
	}
	if n > 0 {
		m.giveUp(ctx, sh, run{records: r.records[:n], attempts: r.attempts}, RecordAgeExceeded, Answer{})
		r.records = r.records[n:]
	}
	return r
}

// backOff waits after a failure, the longer the more there were.
func (m *Mapping) backOff(ctx context.Context, sh *shard) error {
	d := m.Backoff
	for i := 1; i < sh.failures && d < m.most; i++ {
		d *= 2
	}
	return pause(ctx, min(d, m.most))
}
