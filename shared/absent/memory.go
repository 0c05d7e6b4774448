package absent

import (
	"maps"
	"sync"
	"time"
)

// Bounds of what is held, each some 300 bytes.
const (
	maxNotes = 4096
	maxRooms = 1024
)

// A memory is of which manifests nothing refers to, and until when that is taken
// as true. Nothing is noted of an answer whose request was made before the last
// time that its room was forgotten: it may be from before what was pushed there.
type memory struct {
	mu        sync.Mutex
	notes     map[note]time.Time
	clock     uint64          // ticks with every forgetting
	forgotten map[room]uint64 // when a room was, last
	floor     uint64          // when all were
}

// now returns the time on the memory's clock, for note.
func (m *memory) now() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clock
}

// note remembers what was learnt by a request that began at a time of the clock.
func (m *memory) note(n note, began uint64, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if max(m.floor, m.forgotten[n.room]) > began {
		return
	}
	if len(m.notes) >= maxNotes {
		m.sweep()
	}
	if m.notes == nil {
		m.notes = map[note]time.Time{}
	}
	if len(m.notes) < maxNotes { // else it is asked for
		m.notes[n] = until
	}
}

func (m *memory) sweep() {
	now := time.Now()
	maps.DeleteFunc(m.notes, func(_ note, until time.Time) bool { return !now.Before(until) })
}

// has says whether a note is there and still holds.
func (m *memory) has(n note) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.notes[n])
}

func (m *memory) drop(n note) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.notes, n)
}

// forget drops what is noted of rooms, and what requests under way will bring. The
// zero room stands for all.
func (m *memory) forget(rooms []room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rooms {
		m.clock++
		if r == (room{}) || len(m.forgotten) >= maxRooms {
			m.notes, m.forgotten, m.floor = nil, nil, m.clock
			continue
		}
		if m.forgotten == nil {
			m.forgotten = map[room]uint64{}
		}
		m.forgotten[r] = m.clock
		maps.DeleteFunc(m.notes, func(n note, _ time.Time) bool { return n.room == r })
	}
}
