package transfer

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A new place that is refused is asked for again, for it may not be there yet, or
// the clocks of two differ; but not for long.
func TestFetchOfPlacesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		size    int
		refused int64
		ok      bool
	}{{500, 3, true}, {500, 1000, false}, {30_000, 3, true}, {30_000, 1000, false}} {
		f := newFake(t)
		e, r := f.client(Options{})
		p := randomBytes(1, c.size)
		d := f.put(p)
		var n atomic.Int64
		f.before = func(w http.ResponseWriter, r *http.Request, kind string) bool {
			if kind != "GET store" || n.Add(1) > c.refused {
				return false
			}
			answering(http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>")(w, r)
			return true
		}
		if c.ok {
			fetched(t, e, r, p, Direct)
		} else {
			from, _ := r.Blob(t.Context(), d)
			err := e.Fetch(t.Context(), d, from, &memorySink{t: t}, nil)
			if !refusedWith(err, http.StatusForbidden) || !strings.Contains(err.Error(), "AccessDenied") {
				t.Errorf("got %v, want what the store says", err)
			}
			_ = from.Close()
		}
		if got := f.called("GET blob"); got != renewals+1 {
			t.Errorf("%d bytes, refused %d times: the registry was asked %d times, want %d", c.size, c.refused, got, renewals+1)
		}
		balanced(t, e)
	}
}

// Places that expire one after the other are no refusal in a row.
func TestFetchOfPlacesThatExpireOften(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	p := randomBytes(1, 30_000)
	f.put(p)
	var n atomic.Int64
	f.before = func(w http.ResponseWriter, r *http.Request, kind string) bool {
		if kind != "GET store" || n.Add(1)%4 != 0 {
			return false
		}
		answering(http.StatusForbidden, "")(w, r)
		return true
	}
	fetched(t, e, r, p, Direct)
	balanced(t, e)
}

// A registry may come to answer by itself while others still come from where it has
// sent them.
func TestFetchFromARegistryThatStopsSending(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	p := randomBytes(1, 30_000)
	f.put(p)
	var asked, sent atomic.Int64
	var two sync.WaitGroup
	two.Add(2)
	f.before = func(w http.ResponseWriter, r *http.Request, kind string) bool {
		switch kind {
		case "GET blob":
			if asked.Add(1) > 1 {
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p))
				return true
			}
		case "GET store":
			if n := sent.Add(1); n > 1 {
				if n <= 3 {
					two.Done()
				}
				two.Wait()
				answering(http.StatusForbidden, "")(w, r)
				return true
			}
		}
		return false
	}
	fetched(t, e, r, p, Plain)
	balanced(t, e)
}
