package absent

import (
	"net/http"
	"time"
)

const (
	// handover is how long the answer to a request that was made ahead waits for
	// whom it was made for.
	handover = time.Minute
	// lately is how long nothing is asked ahead for who has been given a manifest:
	// they will not come for it.
	lately = 10 * time.Second
)

// Bounds of what is held ahead, in bytes, and of what was looked at, each some 300
// bytes besides.
const (
	maxAhead    = 4 << 20
	maxAllAhead = 4 * maxAhead
	maxSights   = 8192
)

// A sight is of a manifest that need not be asked for ahead.
type sight struct {
	until time.Time
	found *manifest // what was fetched ahead, nil if there is nothing to hand over
}

// A manifest is an answer that waits for its request.
type manifest struct {
	header http.Header
	body   []byte
	asked  time.Time // when the registry was
}

// A teller is a registry that says whether there are referrers, to whoever comes
// along or to who is known.
type teller struct {
	scheme, host string
	nobody       bool
}

// sights are those of a memory, which locks them.
type sights struct {
	all     map[note]sight
	size    int64 // in bytes, of what was fetched and of what is on its way
	tellers map[teller]bool
}

// drop takes out those of a room, and what they hold.
func (s *sights) drop(r room) {
	s.dropFunc(func(n note, _ sight) bool { return r.has(n) })
}

func (s *sights) dropFunc(meant func(note, sight) bool) {
	for n, old := range s.all {
		if meant(n, old) {
			s.put(n, sight{until: old.until})
			delete(s.all, n)
		}
	}
}

// put replaces what is held, and no longer accounts for what was.
func (s *sights) put(n note, now sight) {
	if s.all == nil {
		s.all = map[note]sight{}
	}
	if old := s.all[n]; old.found != nil && old.found != now.found {
		s.size -= int64(len(old.found.body))
	}
	s.all[n] = now
}

// isFull says whether there is no room for a further one, of the largest size.
func (s *sights) isFull() bool { return len(s.all) >= maxSights || s.size > maxAllAhead-maxAhead }

// makeRoom drops what is past if there is no room.
func (s *sights) makeRoom() {
	if now := time.Now(); s.isFull() {
		s.dropFunc(func(_ note, old sight) bool { return !now.Before(old.until) })
	}
}

// heard remembers that a registry has said whether there are referrers.
func (m *memory) heard(t teller) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sights.tellers == nil {
		m.sights.tellers = map[teller]bool{}
	}
	if len(m.sights.tellers) < maxRooms {
		m.sights.tellers[t] = true
	}
}

// saw remembers that who asks was given a manifest.
func (m *memory) saw(n note) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sights.makeRoom()
	until, old := time.Now().Add(lately), m.sights.all[n]
	if old.until.Before(until) && len(m.sights.all) < maxSights { // else nothing is asked ahead
		m.sights.put(n, sight{until, old.found})
	}
}

// ahead says whether to look at a manifest ahead. That is once, whatever comes of
// it: who asks again meanwhile would be no better off. It fails safe: without room
// for the answer the registry would be asked for it twice.
func (m *memory) ahead(n note, by teller) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if !m.sights.tellers[by] || now.Before(m.sights.all[n].until) {
		return false
	}
	if m.sights.makeRoom(); m.sights.isFull() {
		return false
	}
	m.sights.put(n, sight{until: now.Add(handover)})
	return true
}

// reserve takes room for an answer, before it is read, and says whether there is
// some.
func (m *memory) reserve(size int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sights.size+size > maxAllAhead {
		return false
	}
	m.sights.size += size
	return true
}

// hold keeps what a request has brought that began at a time of the clock, for
// who asks next, nil for nothing. Of the room that was reserved it gives back
// what it does not need.
func (m *memory) hold(n note, began uint64, reserved int64, found *manifest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sights.size -= reserved
	mark, ok := m.sights.all[n]
	if found == nil || !ok || m.isVoid(n, began) {
		return
	}
	m.sights.size += int64(len(found.body))
	m.sights.put(n, sight{mark.until, found})
}

// take returns what is held of a manifest, nil if there is nothing that fits.
func (m *memory) take(n note, last bool, fits func(*manifest) bool) *manifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sights.all[n]
	if s.found == nil || age(s.found.asked) >= handover || !fits(s.found) {
		return nil
	}
	if last {
		m.sights.put(n, sight{until: time.Now().Add(lately)})
	}
	return s.found
}
