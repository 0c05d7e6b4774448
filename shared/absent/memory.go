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
// as true; and of which were looked at. Nothing is held of an answer whose request
// was made before the last time that its room was forgotten: it may be from before
// what was pushed there.
type memory struct {
	mu        sync.Mutex
	notes     map[note]time.Time
	sights    sights
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

// isVoid says whether what was learnt by a request that began at a time of the
// clock may be from before a push.
func (m *memory) isVoid(n note, began uint64) bool { return max(m.floor, m.forgotten[n.room]) > began }

// note remembers what was learnt by a request that began at a time of the clock.
func (m *memory) note(n note, began uint64, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isVoid(n, began) {
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
// zero room stands for all. What was looked at goes only where a manifest may be
// gone: another one that comes does not change it.
func (m *memory) forget(rooms []room, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rooms {
		all := r == room{}
		m.clock++
		if gone {
			m.sights.drop(func(n note, _ sight) bool { return all || n.room == r })
		}
		if all || len(m.forgotten) >= maxRooms {
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
