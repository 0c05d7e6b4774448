package stream

import "time"

// Stats says what a mapping has done since it was made.
type Stats struct {
	Batches  int64 `json:"batches"`  // that reached the function, each delivery counted
	Failures int64 `json:"failures"` // deliveries that were no full success
	Records  int64 `json:"records"`  // delivered, once each
	Filtered int64 `json:"filtered"` // that the function was not to see
	GivenUp  int64 `json:"givenUp"`  // records that went to OnFailure

	IteratorAge time.Duration `json:"iteratorAge"` // of the oldest record that was read and is not done with; 0: none
}

// Stats returns the figures of this moment.
func (m *Mapping) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	for _, oldest := range m.ages {
		s.IteratorAge = max(s.IteratorAge, time.Since(oldest))
	}
	return s
}

// count changes the figures.
func (m *Mapping) count(change func(*Stats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.stats)
}

// setAge notes the oldest record of a shard that waits; zero if none does.
func (m *Mapping) setAge(sh *shard, oldest time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if oldest.IsZero() {
		delete(m.ages, sh)
		return
	}
	m.ages[sh] = oldest
}
