package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// How a watcher deals with a registry that does not answer.
const (
	// silence is how long a registry may send nothing. It says something every
	// fifteen seconds.
	silence = 45 * time.Second
	// firstWait and mostWait are how long to wait after a failure, the first and
	// those after many.
	firstWait, mostWait = time.Second, 30 * time.Second
	// mostAfter is the longest wait that a registry may ask for.
	mostAfter = 5 * time.Minute
)

// A watcher follows the events of a repository, over connections that may end.
type watcher struct {
	client interface {
		Do(*http.Request) (*http.Response, error)
	}
	host  string
	url   url.URL
	types []string
	every time.Duration
	after string // where to go on, "" for from now on
	print func(event []byte) error
	note  func(string)

	reached bool // at least once
	seen    recent
}

// A final error is one that trying again does not mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// run watches until ctx ends, which is no error, or it makes no sense to go on.
func (w *watcher) run(ctx context.Context) error {
	for failed := 0; ; {
		wait, err := w.once(ctx)
		switch end := (final{}); {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &end):
			return end.error
		case err != nil && !w.reached:
			return err // the name of the host may be wrong
		case err != nil:
			if failed++; failed == 1 {
				w.note(err.Error() + "; trying again")
			}
			wait = max(wait, backOff(failed))
		default:
			failed = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// backOff is how long to wait after so many failures, at random so that many
// watchers of a registry that was away do not come back at once.
func backOff(failed int) time.Duration {
	most := min(firstWait<<min(failed-1, 10), mostWait)
	return most/2 + rand.N(most/2)
}

// once asks the registry, and reads what it answers to its end. It returns how
// long to wait before the next time.
func (w *watcher) once(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	req, err := w.request(ctx)
	if err != nil {
		return 0, final{err}
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, w.unanswered(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return retryAfter(resp.Header), w.refused(resp)
	}
	w.reached = true
	body := &audible{resp.Body, quiet}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "text/event-stream" {
		return firstWait, w.lost(ctx, readEventStream(body, w.take))
	}
	wait, err := w.page(body)
	return max(wait, retryAfter(resp.Header)), w.lost(ctx, err)
}

var errSilent = fmt.Errorf("it has said nothing for %s", silence)

// audible is a body each part of which shows that the registry is there.
type audible struct {
	io.Reader
	quiet *time.Timer
}

func (h *audible) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.quiet.Reset(silence)
	}
	return n, err
}

func (w *watcher) request(ctx context.Context) (*http.Request, error) {
	q := url.Values{"type": w.types}
	if w.after != "" {
		q.Set("after", w.after)
		q.Set("n", "1000")
	}
	u := w.url
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Accept", "text/event-stream, application/json;q=0.5")
	return req, nil
}
