package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// iteratorLife is how long an iterator of a stream can be used.
const iteratorLife = 15 * time.Minute

// iterators knows which streams the iterators are of that have been given out.
// On AWS an iterator says so itself; those of other servers are their secret.
type iterators struct {
	clock func() time.Time

	mu     sync.Mutex
	known  map[string]iterator
	sweeps time.Time // when those are next looked for that have expired
}

type iterator struct {
	stream  string // its ARN
	expires time.Time
}

func newIterators(clock func() time.Time) *iterators {
	return &iterators{clock: clock, known: map[string]iterator{}}
}

// stream returns the ARN of the stream that an iterator is of.
func (i *iterators) stream(name string) (string, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	it, ok := i.known[name]
	return it.stream, ok && i.clock().Before(it.expires)
}

// remember notes the iterator in an answer, and leaves that as it is.
func (i *iterators) remember(resp *http.Response, stream string) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read iterator: %w", err)
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var given struct{ ShardIterator, NextShardIterator string }
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &given) != nil {
		return nil
	}
	for _, name := range []string{given.ShardIterator, given.NextShardIterator} {
		if name != "" {
			i.add(name, stream)
		}
	}
	return nil
}

func (i *iterators) add(name, stream string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.clock()
	if now.After(i.sweeps) {
		for name, it := range i.known {
			if now.After(it.expires) {
				delete(i.known, name)
			}
		}
		i.sweeps = now.Add(iteratorLife)
	}
	i.known[name] = iterator{stream, now.Add(iteratorLife)}
}
