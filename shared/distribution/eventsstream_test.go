package distribution_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A stream is a stream of events as a client reads it.
type stream struct {
	testing.TB
	answer *http.Response
	lines  *bufio.Scanner
	hangUp func()
	mark   string // the last id
}

func (s teller) stream(query string, header ...string) *stream {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+eventsPath+query, nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream, application/json;q=0.5")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { cancel(); _ = a.Body.Close() })
	lines := bufio.NewScanner(a.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{TB: s.TB, answer: a, lines: lines, hangUp: cancel}
}

// block returns the lines up to the next empty one, false at the end of the
// stream.
func (s *stream) block() (lines []string, ok bool) {
	for s.lines.Scan() {
		line := s.lines.Text()
		if line == "" {
			return lines, true
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			s.mark = id
		}
		lines = append(lines, line)
	}
	return nil, false
}

// next returns the id of the next event, "" at the end of the stream.
func (s *stream) next() string {
	s.Helper()
	for {
		lines, ok := s.block()
		if !ok {
			return ""
		}
		for _, line := range lines {
			text, ok := strings.CutPrefix(line, "data: ")
			if !ok {
				continue
			}
			var e announce.Event
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				s.Errorf("event %q: %v", text, err)
			}
			return e.ID
		}
	}
}

func (s *stream) wants(ids ...string) {
	s.Helper()
	for _, want := range ids {
		if got := s.next(); got != want {
			s.Errorf("got %q, want %q", got, want)
		}
	}
}

// begun reads to where the stream waits.
func (s *stream) begun() *stream {
	s.Helper()
	if lines, ok := s.block(); !ok || len(lines) != 2 || lines[0] != "retry: 1000" || s.mark == "" {
		s.Fatalf("the stream begins with %q", lines)
	}
	return s
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

func TestStreamOfEvents(t *testing.T) {
	s := tell(t, distribution.Options{})
	s.happens("tag.created", "0")
	w := s.stream("").begun()
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Content-Length": "",
	} {
		if got := w.answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for i := 1; i < 4; i++ { // each is told by itself
		s.happens("tag.created", fmt.Sprint(i))
		w.wants(fmt.Sprint(i))
	}
	mark := w.mark
	s.happens("tag.moved", "4", "5")
	s.happens("tag.created", "6")
	w.wants("4", "5", "6")

	// Whoever was cut off goes on behind the last that they have seen, as a
	// browser asks for it and as a client does.
	s.stream("?after=0", "Last-Event-Id", mark).begun().wants("4", "5", "6")
	s.stream("?after="+mark).begun().wants("4", "5", "6")
	s.stream("?after=0&type=tag.moved").begun().wants("4", "5")
	s.stream("?after=0").begun().wants("0", "1", "2", "3", "4", "5", "6")
}

// Who is told nothing for long, since it happens to others, goes on from now.
func TestStreamOfEventsKeepsUp(t *testing.T) {
	s := tell(t, distribution.Options{})
	distribution.Hurry(s.handler, 20*time.Millisecond, time.Minute)
	w := s.stream("?type=repository").begun()
	first := w.mark
	s.happens("tag.created", "1", "2", "3")
	for w.mark == first {
		if _, ok := w.block(); !ok {
			t.Fatal("the stream has ended")
		}
	}
	p, _ := s.page("?after=" + w.mark)
	wantIDs(t, p.ids())
}

// What another process tells is seen a beat later.
func TestStreamOfEventsOfOthers(t *testing.T) {
	items, objects := newStores(t)
	h := distribution.New(registry.New(items, objects, registry.Options{}), distribution.Options{Events: announce.NewLog(items, time.Now)})
	distribution.Hurry(h, 20*time.Millisecond, time.Minute)
	s := teller{serveHandler(t, h), announce.NewLog(items, time.Now), h}
	w := s.stream("").begun()
	s.happens("tag.created", "1")
	w.wants("1")
}

// Much at once is sent in pieces, and all of it.
func TestStreamOfManyEvents(t *testing.T) {
	s := tell(t, distribution.Options{})
	w := s.stream("").begun()
	var want []string
	for i := range 30 {
		var run []string
		for j := range 50 {
			run = append(run, fmt.Sprintf("%d-%d", i, j))
		}
		want = append(want, run...)
		s.happens("tag.created", run...)
	}
	w.wants(want...)
	s.stream("?after=0").begun().wants(want...)
}

// failing is a gate that lets nobody in from some moment on.
type failing struct {
	gate
	shut atomic.Bool
}

func (g *failing) Admit(r *http.Request) (*access.Session, error) {
	if g.shut.Load() {
		return nil, oci.ErrUnauthorized.With(nil, "the token has expired")
	}
	return g.gate.Admit(r)
}

// With a token ends what it was good for, before the next event and without one.
func TestStreamOfEventsEndsWithTheToken(t *testing.T) {
	g := &failing{gate: newGate(t)}
	s := tell(t, distribution.Options{Gate: g})
	w := s.stream("", "Authorization", "root repository:public/app:pull").begun()
	s.happens("tag.created", "1")
	w.wants("1")
	g.shut.Store(true)
	s.happens("tag.created", "2")
	w.wants("")

	g.shut.Store(false)
	distribution.Hurry(s.handler, 20*time.Millisecond, time.Minute)
	w = s.stream("", "Authorization", "root repository:public/app:pull").begun()
	g.shut.Store(true)
	w.wants("")
	eventually(t, "no stream is open", func() bool { return distribution.Streams(s.handler) == 0 })
}

// A server that is shut down does not wait for streams.
func TestStreamsEndWithTheServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := tell(t, distribution.Options{})
	server := &http.Server{Handler: s.handler}
	go func() { _ = server.Serve(l) }()
	s.server.url = "http://" + l.Addr().String()
	w := s.stream("").begun()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	w.wants("")
}

func TestStreamsOfEventsAreFew(t *testing.T) {
	s := tell(t, distribution.Options{Gate: newGate(t)})
	var one *stream
	for range distribution.MaxStreamsOfOne {
		one = s.stream("", "Authorization", "root").begun()
	}
	a := s.get(eventsPath, "Accept", "text/event-stream", "Authorization", "root")
	s.want(a, http.StatusTooManyRequests, "TOOMANYREQUESTS")
	if a.get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.want(s.get(eventsPath, "Authorization", "root"), http.StatusOK, "") // pages come all the same
	s.stream("", "Authorization", "nobody").begun()                       // and streams of others
	one.hangUp()
	eventually(t, "there is room", func() bool { return distribution.Streams(s.handler) == distribution.MaxStreamsOfOne })
	s.stream("", "Authorization", "root").begun()
	for i := distribution.Streams(s.handler); i < distribution.MaxStreams; i++ {
		s.stream("", "Authorization", fmt.Sprint("somebody", i/4)).begun()
	}
	a = s.get(eventsPath, "Accept", "text/event-stream", "Authorization", "another")
	s.want(a, http.StatusTooManyRequests, "TOOMANYREQUESTS")
}

// Who asks for a stream and does not read it is cut off, and holds up nobody.
func TestStreamOfEventsThatNobodyReads(t *testing.T) {
	s := tell(t, distribution.Options{})
	distribution.Hurry(s.handler, time.Minute, 300*time.Millisecond)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(1 << 10)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", eventsPath); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is open", func() bool { return distribution.Streams(s.handler) == 1 })
	large := json.RawMessage(`"` + strings.Repeat("x", 180<<10) + `"`)
	for i := range 60 { // more than what the buffers of two sockets hold
		e := announce.Event{ID: fmt.Sprint(i), Type: announce.TypePrefix + "tag.moved", Subject: "public/app", Data: large}
		if err := s.log.Publish(t.Context(), []announce.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the stream is cut off", func() bool { return distribution.Streams(s.handler) == 0 })
}

// The connection of a stream that has ended serves other requests.
func TestAConnectionOutlivesItsStream(t *testing.T) {
	g := &failing{gate: newGate(t)}
	s := tell(t, distribution.Options{Gate: g})
	distribution.Hurry(s.handler, time.Minute, 200*time.Millisecond)
	var opened atomic.Int32
	s.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		opened.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	w := s.stream("").begun()
	g.shut.Store(true)
	s.happens("tag.created", "1")
	w.wants("")
	_ = w.answer.Body.Close()
	g.shut.Store(false)
	time.Sleep(300 * time.Millisecond) // beyond the time that the last write had
	s.want(s.get("/v2/"), http.StatusUnauthorized, "")
	s.page("?after=0")
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// Berth serve with a certificate speaks HTTP/2, where many streams share a
// connection.
func TestStreamsOfEventsOverHTTP2(t *testing.T) {
	s := tell(t, distribution.Options{})
	distribution.Hurry(s.handler, 20*time.Millisecond, 500*time.Millisecond)
	web := httptest.NewUnstartedServer(s.handler)
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(web.Close)
	s.server = &server{TB: t, url: web.URL, client: web.Client()}
	first, second := s.stream("").begun(), s.stream("").begun()
	if first.answer.ProtoMajor != 2 {
		t.Fatalf("protocol %s", first.answer.Proto)
	}
	time.Sleep(time.Second) // longer than a client may read nothing: but these read
	s.happens("tag.created", "1")
	first.wants("1")
	second.wants("1")
	first.hangUp()
	eventually(t, "one stream is open", func() bool { return distribution.Streams(s.handler) == 1 })
	s.happens("tag.created", "2")
	second.wants("2")
}
