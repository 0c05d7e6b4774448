// Package sqs stands for SQS, as far as it keeps what others could not deliver:
// queues in memory, of which each message is handed out again until whoever has
// it says that it is done with it.
//
// Where AWS leaves open what happens, this package takes what is harder for the
// caller: a receipt handle deletes nothing any more once the message was handed
// out again. Nothing is too old to be kept. It does not ask who calls: it is for
// those who have credentials for the account, and they go past the guards.
package sqs

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// A Queue is declared once, before it is used.
type Queue struct {
	Name       string
	ARN, URL   string
	Visibility time.Duration // how long a message that was handed out is nobody else's
}

// A Service is an http.Handler of the API, for these queues. Its methods are
// safe for concurrent use.
type Service struct {
	mu     sync.Mutex
	queues map[string]*queue
}

// queue belongs to the lock of its service.
type queue struct {
	Queue
	messages []*message    // the oldest first
	arrived  chan struct{} // closed, and replaced, when a message arrives
}

type message struct {
	id, body      string
	attributes    map[string]string // that whoever sent it gave it
	sent          time.Time
	receives      int
	firstReceived time.Time
	hidden        time.Time // until then
	handle        string    // of the last time that it was handed out
}

// New returns a service with these queues.
func New(queues ...Queue) *Service {
	s := &Service{queues: map[string]*queue{}}
	for _, q := range queues {
		s.queues[q.Name] = &queue{Queue: q, arrived: make(chan struct{})}
	}
	return s
}

// Send puts a message with attributes into the queue with an ARN, and reports
// whether there is such a queue.
func (s *Service) Send(arn, body string, attributes map[string]string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[arn[strings.LastIndexByte(arn, ':')+1:]]
	if !ok || q.ARN != arn {
		return false
	}
	q.add(body).attributes = attributes
	return true
}

// Bodies are those of all messages that nobody has deleted, by the name of the
// queue.
func (s *Service) Bodies() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]string{}
	for name, q := range s.queues {
		for _, m := range q.messages {
			all[name] = append(all[name], m.body)
		}
	}
	return all
}

func (q *queue) add(body string) *message {
	m := &message{id: uuid.NewString(), body: body, sent: time.Now()}
	q.messages = append(q.messages, m)
	close(q.arrived)
	q.arrived = make(chan struct{})
	return m
}

// take hands out at most limit messages, hidden from then on for a while.
func (q *queue) take(limit int, visibility time.Duration) []message {
	var out []message
	now := time.Now()
	for _, m := range q.messages {
		if len(out) == limit {
			break
		}
		if now.Before(m.hidden) {
			continue
		}
		if m.receives++; m.receives == 1 {
			m.firstReceived = now
		}
		m.hidden, m.handle = now.Add(visibility), m.id+"."+rand.Text()
		out = append(out, *m)
	}
	return out
}

// find returns the message that a handle was given for last. ok is false for
// what is no handle; the message is nil if it is gone, or handed out anew.
func (q *queue) find(handle string) (m *message, ok bool) {
	id, _, _ := strings.Cut(handle, ".")
	if uuid.Validate(id) != nil {
		return nil, false
	}
	i := slices.IndexFunc(q.messages, func(m *message) bool { return m.handle == handle })
	if i < 0 {
		return nil, true
	}
	return q.messages[i], true
}

func (q *queue) remove(m *message) {
	q.messages = slices.DeleteFunc(q.messages, func(other *message) bool { return other == m })
}

// counts are the messages that can be taken, and those that somebody has.
func (q *queue) counts() (visible, hidden int) {
	for _, m := range q.messages {
		if time.Now().Before(m.hidden) {
			hidden++
		} else {
			visible++
		}
	}
	return visible, hidden
}

// untilVisible is how long it takes until a hidden message is visible again, at
// most limit.
func (q *queue) untilVisible(limit time.Duration) time.Duration {
	for _, m := range q.messages {
		limit = min(limit, max(time.Until(m.hidden), 0))
	}
	return limit
}
