package token

import (
	"crypto/sha256"
	"maps"
	"sync"
	"time"
)

// maxRemembered bounds the memory. A token that says as much as one can takes
// about 12 KiB of it.
const maxRemembered = 1024

// memory has the tokens that were verified lately: a client sends one with each
// of its requests, and to verify a signature is the dearest part of a small
// one. Only good tokens get in, so no stranger can fill it.
type memory struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]verified // by the hash of their text
}

// verified is a token and the key that signed it.
type verified struct {
	token Token
	key   PublicKey
}

// get returns a token that is good still: neither has it expired nor was its
// key withdrawn.
func (m *memory) get(sum [sha256.Size]byte, keys []PublicKey, now time.Time) (Token, bool) {
	m.mu.Lock()
	v, ok := m.tokens[sum]
	m.mu.Unlock()
	if !ok || over(v.token.Expires, now) || !still(keys, v.key, now) {
		return Token{}, false
	}
	return v.token, true
}

func (m *memory) put(sum [sha256.Size]byte, v verified, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tokens == nil {
		m.tokens = map[[sha256.Size]byte]verified{}
	}
	if len(m.tokens) >= maxRemembered {
		m.makeRoom(now)
	}
	m.tokens[sum] = v
}

// makeRoom forgets what has expired, and some other token if none has: the next
// one to send that is verified again.
func (m *memory) makeRoom(now time.Time) {
	maps.DeleteFunc(m.tokens, func(_ [sha256.Size]byte, v verified) bool { return over(v.token.Expires, now) })
	for sum := range m.tokens {
		if len(m.tokens) < maxRemembered {
			return
		}
		delete(m.tokens, sum)
	}
}
