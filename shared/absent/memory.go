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
	maps.DeleteFunc(m.notes, func(_ note, until time.Time) bool { return !isAhead(until) })
}

// has says whether a note is there and still holds.
func (m *memory) has(n note) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return isAhead(m.notes[n])
}

// isAhead says whether a time is still to come, on both clocks of this machine: one
// stands still while it sleeps, the other may be set back.
func isAhead(until time.Time) bool {
	now := time.Now()
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

// age is how long ago a time was, by the clock on which it is longer ago.
func age(of time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(of), now.Round(0).Sub(of.Round(0)))
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
		m.void(r)
		maps.DeleteFunc(m.notes, func(n note, _ time.Time) bool { return r.has(n) })
		if gone {
			m.sights.drop(r)
		}
	}
}

// leave drops what was looked at in rooms, and what requests under way will bring.
// What is noted stays.
func (m *memory) leave(rooms []room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rooms {
		m.void(r)
		m.sights.drop(r)
	}
}

// void has nothing held of what requests under way will bring of a room.
func (m *memory) void(r room) {
	m.clock++
	if r == (room{}) || len(m.forgotten) >= maxRooms {
		m.forgotten, m.floor = nil, m.clock
		return
	}
	if m.forgotten == nil {
		m.forgotten = map[room]uint64{}
	}
	m.forgotten[r] = m.clock
}
