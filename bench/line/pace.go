package line

import (
	"sync"
	"time"
)

// slack is what is made up for when a wait took longer than it should have.
const slack = 20 * time.Millisecond

// A pace is how fast bytes may pass.
type pace struct {
	rate int64 // bytes a second; 0 is as fast as can be

	mu   sync.Mutex
	free time.Time // when all bytes so far will have passed
}

// wait returns when n bytes more have had their time.
func (p *pace) wait(n int64) {
	if p.rate == 0 {
		return
	}
	p.mu.Lock()
	if earliest := time.Now().Add(-slack); p.free.Before(earliest) {
		p.free = earliest
	}
	p.free = p.free.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	free := p.free
	p.mu.Unlock()
	time.Sleep(time.Until(free))
}
