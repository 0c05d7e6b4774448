package announce

import "sync"

// bells wake those who wait for events, by repository. The zero value is ready.
type bells struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool
}

// Follow returns a channel that gets something soon after this Log has added
// events of a repository, and a function that ends that. What other processes
// add it does not tell. However much is added, one message waits: it says that
// there is something to Read.
func (l *Log) Follow(repo string) (added <-chan struct{}, stop func()) { return l.added.follow(repo) }

func (b *bells) follow(repo string) (<-chan struct{}, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bell := make(chan struct{}, 1)
	if b.waiting == nil {
		b.waiting = map[string]map[chan struct{}]bool{}
	}
	if b.waiting[repo] == nil {
		b.waiting[repo] = map[chan struct{}]bool{}
	}
	b.waiting[repo][bell] = true
	return bell, func() { b.leave(repo, bell) }
}

// leave forgets a repository with the last who waits: anybody may wait for any
// name.
func (b *bells) leave(repo string, bell chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting[repo], bell)
	if len(b.waiting[repo]) == 0 {
		delete(b.waiting, repo)
	}
}

func (b *bells) ring(repo string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for bell := range b.waiting[repo] {
		select {
		case bell <- struct{}{}:
		default: // one waits already
		}
	}
}
