package federate

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	remembered = time.Minute // how long an answer of STS is not asked for again
	maxMemory  = 1000        // answers
)

// A memory holds what STS has said of requests, by their hashes. A client asks
// for several tokens with one password. The zero value is empty.
type memory struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]entry
}

type entry struct {
	caller   caller
	audience string
	until    time.Time
}

// recall returns who has signed a request for one of the audiences.
func (m *memory) recall(r presigned, audiences []string, now time.Time) (caller, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[sha256.Sum256([]byte(r.url))]
	return e.caller, ok && now.Before(e.until) && slices.Contains(audiences, e.audience)
}

// keep remembers it. Whether the request itself is still good has been looked
// at by whoever recalls.
func (m *memory) keep(r presigned, audience string, c caller, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) >= maxMemory {
		maps.DeleteFunc(m.entries, func(_ [sha256.Size]byte, e entry) bool { return !now.Before(e.until) })
	}
	if m.entries == nil || len(m.entries) >= maxMemory { // forgetting only costs questions
		m.entries = map[[sha256.Size]byte]entry{}
	}
	m.entries[sha256.Sum256([]byte(r.url))] = entry{c, audience, now.Add(remembered)}
}
