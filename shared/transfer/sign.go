package transfer

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/berthregistry/berth/shared/direct"
)

// A signer asks where parts go. While one request is under way the parts that
// come gather for the next one: few requests where the registry is slow, no
// waiting where it is fast.
type signer struct {
	ask func(ctx context.Context, s direct.Sign) (direct.Signed, error)

	mu      sync.Mutex
	waiting []*signing
	busy    bool
	work    sync.WaitGroup
}

// A signing is a part that waits for its target.
type signing struct {
	part   direct.Part
	target direct.Target
	err    error
	done   chan struct{}
}

// sign returns where a part goes.
func (s *signer) sign(ctx context.Context, p direct.Part) (direct.Target, error) {
	w := &signing{part: p, done: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	if !s.busy {
		s.busy = true
		s.work.Go(func() { s.run(ctx) })
	}
	s.mu.Unlock()
	select {
	case <-w.done:
		return w.target, w.err
	case <-ctx.Done():
		return direct.Target{}, context.Cause(ctx)
	}
}

// run signs until nobody waits. All who wait do so in the same context: that of the
// upload.
func (s *signer) run(ctx context.Context) {
	for {
		s.mu.Lock()
		batch, rest := cut(s.waiting, direct.MaxParts)
		s.waiting = rest
		if len(batch) == 0 {
			s.busy = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.signAll(ctx, batch)
	}
}

func (s *signer) signAll(ctx context.Context, batch []*signing) {
	var asked direct.Sign
	for _, w := range batch {
		asked.Parts = append(asked.Parts, w.part)
	}
	signed, err := s.ask(ctx, asked)
	if err == nil && len(signed.Parts) != len(batch) {
		err = fmt.Errorf("%w: of %d parts, %d are signed", errAnswer, len(batch), len(signed.Parts))
	}
	for i, w := range batch {
		if w.err = err; err == nil {
			w.target = signed.Parts[i]
		}
		close(w.done)
	}
}

// maxHeaders is how many headers a target may ask for.
const maxHeaders = 32

// notForTargets are headers that say how a request is sent, or by whom.
var notForTargets = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Expect": true,
	"Authorization": true, "Proxy-Authorization": true, "Cookie": true,
}

// putCall is the request that a target asks for.
func (r *Repository) putCall(t direct.Target, body payload) (call, error) {
	at, err := url.Parse(t.URL)
	switch {
	case err != nil || at.Host == "" || at.User != nil || at.Scheme != "https" && at.Scheme != "http":
		return call{}, fmt.Errorf("%w: a part goes to no URL of HTTP", errAnswer)
	case strings.EqualFold(r.base.Scheme, "https") && at.Scheme != "https":
		return call{}, fmt.Errorf("%w: a part goes to a place without TLS", errAnswer)
	case len(t.Header) > maxHeaders:
		return call{}, fmt.Errorf("%w: a part goes with %d headers", errAnswer, len(t.Header))
	}
	c := call{method: http.MethodPut, url: at, header: map[string]string{}, body: body}
	for name, value := range t.Header {
		if !notForTargets[http.CanonicalHeaderKey(name)] {
			c.header[name] = value
		}
	}
	return c, nil
}
