package absent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// Who only fetches leaves no more marks than there may be, and those that are past
// make room.
func TestMarksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory
		marked := func(from, to int) (n int) {
			for i := from; i < to; i++ {
				at := note{digest: oci.SHA256.Sum(fmt.Append(nil, i))}
				m.saw(at)
				if _, ok := m.sights.all[at]; ok {
					n++
				}
			}
			return n
		}
		if got := marked(0, maxSights+2); got != maxSights || len(m.sights.all) != maxSights {
			t.Errorf("%d were marked, and %d marks are there, want %d", got, len(m.sights.all), maxSights)
		}
		time.Sleep(lately)
		if got := marked(maxSights+2, maxSights+4); got != 2 || len(m.sights.all) != 2 {
			t.Errorf("%d were marked later, and %d marks are there, want 2", got, len(m.sights.all))
		}
	})
}

// What comes when nobody waits for it any more is not held, and its room is free.
func TestNothingIsHeldForNobody(t *testing.T) {
	var m memory
	at := note{digest: oci.SHA256.Sum(nil)}
	if !m.reserve(maxAllAhead) || m.reserve(1) {
		t.Fatal("not as much was reserved as there is")
	}
	m.hold(at, m.now(), maxAllAhead, &manifest{body: []byte("a"), asked: time.Now()})
	if len(m.sights.all) != 0 || m.sights.size != 0 {
		t.Errorf("%d are held, of %d bytes", len(m.sights.all), m.sights.size)
	}
}
