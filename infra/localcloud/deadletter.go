package main

import (
	"slices"
	"strings"
	"sync"

	"github.com/berthregistry/berth/infra/localcloud/stream"
)

// deadLetters are what came into the queues. Nothing takes them out again. The
// zero value is ready, and safe for concurrent use.
type deadLetters struct {
	mu      sync.Mutex
	byQueue map[string][]stream.DeadLetter
}

// add puts a letter into the queue with an ARN.
func (l *deadLetters) add(queue string, d stream.DeadLetter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byQueue == nil {
		l.byQueue = map[string][]stream.DeadLetter{}
	}
	name := queue[strings.LastIndexByte(queue, ':')+1:]
	l.byQueue[name] = append(l.byQueue[name], d)
}

// list is all of them, by the name of the queue.
func (l *deadLetters) list() map[string][]stream.DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	copied := map[string][]stream.DeadLetter{}
	for name, letters := range l.byQueue {
		copied[name] = slices.Clone(letters)
	}
	return copied
}
