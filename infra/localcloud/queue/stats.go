package queue

import "time"

// Stats says what a queue has done since it was made.
type Stats struct {
	Received  int64 `json:"received"`  // that were sent, each once
	Delivered int64 `json:"delivered"` // and the function has succeeded
	Failed    int64 `json:"failed"`    // attempts at which the function failed
	Unreached int64 `json:"unreached"` // attempts that did not come to it
	Dropped   int64 `json:"dropped"`   // that were given up

	Waiting int           `json:"waiting"` // that are under way, or to be tried again
	Age     time.Duration `json:"age"`     // of the oldest of those; 0: none
}

// Stats returns the figures of this moment.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Waiting = len(q.waiting)
	for e := range q.waiting {
		s.Age = max(s.Age, time.Since(e.sent))
	}
	return s
}

// count changes the figures.
func (q *Queue) count(change func(*Stats)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(&q.stats)
}

func (q *Queue) note(e *event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting[e] = struct{}{}
}

func (q *Queue) forget(e *event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, e)
}
