package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"
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

// maxEventPage is the largest page that is read, in bytes.
const maxEventPage = 4 << 20

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

// take prints an event, unless it has been printed, and remembers where to go on.
func (w *watcher) take(mark string, event []byte) error {
	if len(event) > 0 {
		var e struct{ Source, ID string }
		if err := json.Unmarshal(event, &e); err != nil || e.ID == "" {
			return final{fmt.Errorf("%s sends what is no event", w.host)}
		}
		if w.seen.add(e.Source + "\n" + e.ID) {
			if err := w.print(event); err != nil {
				return final{err}
			}
		}
	}
	if mark != "" {
		w.after = mark
	}
	return nil
}

// page prints a page of events and says how long to wait for the next.
func (w *watcher) page(body io.Reader) (time.Duration, error) {
	var page struct {
		Events []json.RawMessage
		Next   string
		More   bool
	}
	if err := json.NewDecoder(io.LimitReader(body, maxEventPage)).Decode(&page); err != nil {
		return 0, fmt.Errorf("read a page of events: %w", err)
	}
	if page.Next == "" || len(page.Next) > maxMark {
		return 0, final{fmt.Errorf("%s sends what is no page of events", w.host)}
	}
	for _, event := range page.Events {
		if err := w.take("", event); err != nil {
			return 0, err
		}
	}
	forward := page.Next != w.after
	w.after = page.Next
	if page.More && forward {
		return 0, nil
	}
	return w.every, nil
}

// unanswered says why there is no answer. Credentials that are no good stay so.
func (w *watcher) unanswered(ctx context.Context, err error) error {
	err = refusedBy(w.host, err)
	_, answered := errors.AsType[*errcode.ErrorResponse](err)
	switch failed, ok := errors.AsType[*url.Error](err); {
	case errors.Is(err, errNotValid):
		return final{err}
	case errors.Is(context.Cause(ctx), errSilent):
		return fmt.Errorf("%s: %w", w.host, errSilent)
	case ok:
		return errors.New(lost(failed)) // without the URL, which is long
	case answered:
		return err
	}
	return err
}

// lost says why an answer ended.
func (w *watcher) lost(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errSilent):
		return fmt.Errorf("%s: %w", w.host, errSilent)
	}
	return fmt.Errorf("%s: %w", w.host, err)
}

// refused makes an error of an answer that has no events.
func (w *watcher) refused(resp *http.Response) error {
	var said struct {
		Errors []struct{ Message string }
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&said) // what is no JSON says nothing
	text := fmt.Sprintf("%s answered %d %s", w.host, resp.StatusCode, http.StatusText(resp.StatusCode))
	if len(said.Errors) > 0 && said.Errors[0].Message != "" {
		text += ": " + cleanTo(maxSentence, said.Errors[0].Message)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code >= 500:
		return errors.New(text)
	case code == http.StatusUnauthorized:
		text += "\nto log in: berth login " + w.host
	case code == http.StatusNotFound && len(said.Errors) == 0:
		text += ": it tells no events"
	}
	return final{errors.New(text)}
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, mostAfter)
}

// recent remembers the latest of many strings. The zero value is empty.
type recent struct {
	has   map[string]bool
	order []string
}

// maxRecent is how many are remembered: more than come again after a failure.
const maxRecent = 10_000

// add says whether the string is new.
func (r *recent) add(s string) bool {
	if r.has[s] {
		return false
	}
	if r.has == nil {
		r.has = map[string]bool{}
	}
	r.has[s] = true
	r.order = append(r.order, s)
	if len(r.order) > maxRecent {
		delete(r.has, r.order[0])
		r.order = r.order[1:]
	}
	return true
}
