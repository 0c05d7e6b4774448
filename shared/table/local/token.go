package local

import (
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// maxTokens bounds the memory that tokens take, to some 40 MB.
const maxTokens = 1 << 19

// tokens remembers the transactions that were done, for TokenLife at least,
// unless more than maxTokens/2 follow in that time. They are kept in memory
// only: a crash loses them, but it takes their callers along, who alone could
// have sent a transaction again. And where an item still has the token as its
// version, nothing is forgotten at all.
//
// Not safe for concurrent use: it belongs to the writer.
type tokens struct {
	recent, older map[string]struct{}
	since         time.Time // recent was begun
}

func (t *tokens) has(token string) bool {
	if _, ok := t.recent[token]; ok {
		return true
	}
	_, ok := t.older[token]
	return ok
}

func (t *tokens) add(token string, now time.Time) {
	if t.recent == nil || now.Sub(t.since) > table.TokenLife || len(t.recent) >= maxTokens/2 {
		t.older, t.recent, t.since = t.recent, make(map[string]struct{}), now
	}
	t.recent[token] = struct{}{}
}

func (t *tokens) remove(token string) {
	delete(t.recent, token)
	delete(t.older, token)
}
