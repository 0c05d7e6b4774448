package berth

import "sync"

// keep is how much of a server's output is held, in bytes.
const keep = 64 << 10

// output keeps the end of what a process prints and tells of each write.
type output struct {
	changed chan struct{} // of capacity 1: a reader that is behind misses nothing

	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	o.text = append(o.text, p...)
	o.text = o.text[max(0, len(o.text)-keep):]
	o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
