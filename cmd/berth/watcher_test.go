package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// follower runs a watcher of a server, whose requests are answered by a test one
// after the other.
type follower struct {
	*watcher
	mu      sync.Mutex
	printed []string
	asked   []url.Values
	notes   []string
}

func followed(t *testing.T, answers ...http.HandlerFunc) *follower {
	t.Helper()
	f := &follower{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n := len(f.asked)
		f.asked = append(f.asked, r.URL.Query())
		f.mu.Unlock()
		if n >= len(answers) {
			cancel() // enough
			return
		}
		answers[n](w, r)
	}))
	defer web.Close()
	u, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	f.watcher = &watcher{
		client: web.Client(), host: u.Host, url: *u, every: 10 * time.Millisecond,
		print: func(event []byte) error { f.printed = append(f.printed, string(event)); return nil },
		note:  func(text string) { f.notes = append(f.notes, text) },
	}
	if err := f.run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
	return f
}

func said(id string) string { return `{"source":"s","id":"` + id + `"}` }

func pageOf(next string, more bool, ids ...string) http.HandlerFunc {
	var events []string
	for _, id := range ids {
		events = append(events, said(id))
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"events":[%s],"next":%q,"more":%t}`, strings.Join(events, ","), next, more)
	}
}

func streamOf(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
	}
}

func fails(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func (f *follower) wants(t *testing.T, after []string, ids ...string) {
	t.Helper()
	var asked, want []string
	for _, q := range f.asked {
		asked = append(asked, q.Get("after"))
	}
	if !slices.Equal(asked, after) {
		t.Errorf("asked for what is behind %q, want %q", asked, after)
	}
	for _, id := range ids {
		want = append(want, said(id))
	}
	if !slices.Equal(f.printed, want) {
		t.Errorf("printed %q, want %q", f.printed, want)
	}
}

// A registry that sends pages is asked again from where it was, also after it was
// ill, and what comes twice is printed once.
func TestWatcherOfPages(t *testing.T) {
	f := followed(t, pageOf("5", false), pageOf("7", true, "a", "b"), pageOf("9", false, "b", "c"), fails(503), pageOf("9", true), pageOf("11", false, "d"))
	f.wants(t, []string{"", "5", "7", "9", "9", "9", "11"}, "a", "b", "c", "d")
	if len(f.notes) != 1 || !strings.HasSuffix(f.notes[0], "answered 503 Service Unavailable; trying again") {
		t.Errorf("said %q", f.notes)
	}
}

// One that sends a stream is asked for the rest when that ends, in the middle of
// an event as well.
func TestWatcherOfStreams(t *testing.T) {
	f := followed(t,
		streamOf("retry: 1000\nid: 5\n\nid: 6\ndata: "+said("a")+"\n\n: nothing else\nid: 7\n\nid: 8\ndata: "+said("b")),
		streamOf("id: 8\ndata: "+said("b")+"\n\ndata: "+said("c")+"\n\n"))
	f.wants(t, []string{"", "7", "8"}, "a", "b", "c")
}

// Names of events may be long, and there are many.
func TestWatcherKeepsLittle(t *testing.T) {
	w := watcher{print: func([]byte) error { return nil }}
	long := strings.Repeat("x", 1<<20)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range 100 {
		if err := w.take("1", []byte(said(fmt.Sprint(i)+long))); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if more := int64(after.HeapAlloc) - int64(before.HeapAlloc); more > 10<<20 {
		t.Errorf("100 events are remembered in %s", human(more))
	}
	runtime.KeepAlive(&w)
}

func TestWatcherWaitsAsItIsTold(t *testing.T) {
	told := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", "1"); next(w, r) }
	}
	begun := time.Now()
	followed(t, told(pageOf("1", false)), told(fails(429)))
	if took := time.Since(begun); took < 2*time.Second {
		t.Errorf("it came back after %s, want 2 s", took)
	}
}

func TestWatcherGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		said   string
	}{
		"not found": {fails(404), "it tells no events"},
		"no login":  {fails(401), "to log in: berth login"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "307"},
		"no event":        {streamOf("data: {}\n\n"), "sends what is no event"},
		"no page":         {pageOf("", false), "no page of events"},
		"a mark too long": {pageOf(strings.Repeat("1", 65), false), "no page of events"},
	} {
		web := httptest.NewServer(c.answer)
		u, _ := url.Parse(web.URL)
		client := web.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		w := watcher{client: client, host: u.Host, url: *u, note: func(string) {}, reached: true}
		if err := w.run(t.Context()); err == nil || !strings.Contains(err.Error(), c.said) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.said)
		}
		web.Close()
	}
	// What cannot be printed will not be later on.
	full := errors.New("disk full")
	w := watcher{print: func([]byte) error { return full }}
	if err := w.take("1", []byte(said("a"))); !errors.Is(err, full) || w.after != "" {
		t.Errorf("got %v, and goes on at %q", err, w.after)
	}
}

func TestRecent(t *testing.T) {
	var r recent
	for i := range 2 * maxRecent {
		if s := sha256.Sum256(fmt.Append(nil, i)); !r.add(s) || r.add(s) {
			t.Fatalf("%d is not remembered once", i)
		}
	}
	if len(r.has) != maxRecent || !r.add(sha256.Sum256([]byte("0"))) {
		t.Errorf("%d are remembered, want %d", len(r.has), maxRecent)
	}
}
