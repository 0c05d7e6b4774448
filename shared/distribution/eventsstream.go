package distribution

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/oci"
)

// Bounds of streams.
const (
	maxStreams      = 256 // in this process
	maxStreamsOfOne = 32
	maxStrangers    = maxStreams / 2        // of those who are not logged in, who have any number of addresses
	streamBatch     = 64 << 10              // bytes that are held for one that reads slowly
	streamPatience  = time.Minute           // for how long it may read nothing
	streamBeat      = 15 * time.Second      // after which something is sent, whatever happens
	streamCalm      = 50 * time.Millisecond // between two looks at the table
)

// streams are the answers that last.
type streams struct {
	beat, patience time.Duration

	mu        sync.Mutex
	count     int
	strangers int            // of the count
	by        map[string]int // by who reads

	once  sync.Once
	ended chan struct{}
}

func newStreams() *streams {
	return &streams{beat: streamBeat, patience: streamPatience, by: map[string]int{}, ended: make(chan struct{})}
}

// enter counts a stream until leave is called.
func (s *streams) enter(who string, stranger bool) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == maxStreams || s.by[who] == maxStreamsOfOne || stranger && s.strangers == maxStrangers {
		return nil, oci.ErrTooManyRequests.With(nil, "too many streams of events are open, ask for pages instead")
	}
	s.count++
	s.by[who]++
	if stranger {
		s.strangers++
	}
	return func() { s.leave(who, stranger) }, nil
}

func (s *streams) leave(who string, stranger bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	if stranger {
		s.strangers--
	}
	if s.by[who]--; s.by[who] == 0 {
		delete(s.by, who)
	}
}

// over returns a channel that is closed when the server of a request is shut
// down. That waits for each answer to end, and these would not. It is the server
// of the first stream that counts: a handler has one as a rule.
func (s *streams) over(r *http.Request) <-chan struct{} {
	s.once.Do(func() {
		if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
			server.RegisterOnShutdown(sync.OnceFunc(func() { close(s.ended) }))
		}
	})
	return s.ended
}

// streamEvents answers with server-sent events (HTML Living Standard, section
// 9.2) until the client hangs up, stops reading, or may not read any more.
func (v *visit) streamEvents(w http.ResponseWriter, r *http.Request, want watch) error {
	leave, err := v.streams.enter(v.reader(r), v.session != nil && v.session.Unknown())
	if err != nil {
		return err
	}
	defer leave()
	added, stop := v.events.Follow(v.target.Repo) // before anything is read, so that nothing falls in between
	defer stop()
	h := haul{want: want}
	if want.after < 0 {
		if err := v.read(r.Context(), &h); err != nil {
			return err
		}
		want.after = h.at
	}
	header := w.Header()
	header.Set("Content-Type", typeEventStream)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // or nginx would gather some kilobytes
	w.WriteHeader(http.StatusOK)
	s := stream{visit: v, w: w, r: r, control: http.NewResponseController(w), over: v.streams.over(r), want: want}
	s.run(added)
	return nil
}

// reader is by whom streams are counted.
func (v *visit) reader(r *http.Request) string {
	if v.session == nil || v.session.Unknown() {
		return access.AddressOf(r.RemoteAddr)
	}
	return v.session.Principal.String()
}

// A stream is an answer that lasts. want.after moves on with what was looked at.
type stream struct {
	*visit
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	over    <-chan struct{} // closed when the server ends
	want    watch
}

// run sends what there is, and then waits for more. Each beat it looks by itself,
// since others may add events whom nobody here hears.
func (s *stream) run(added <-chan struct{}) {
	beat := time.NewTicker(s.streams.beat)
	defer beat.Stop()
	if !s.send([]byte("retry: 1000\nid: " + s.mark() + "\n\n")) {
		return
	}
	for s.catchUp(s.r.Context()) {
		select {
		case <-added:
		case <-beat.C:
			if !s.send([]byte(": nothing else\nid: " + s.mark() + "\n\n")) {
				return
			}
		case <-s.r.Context().Done():
			return
		case <-s.over:
			return
		}
	}
}

func (s *stream) mark() string { return fmt.Sprint(s.want.after) }

// catchUp sends all events that there are. It says whether the stream goes on.
func (s *stream) catchUp(ctx context.Context) bool {
	for {
		if s.ended() || !s.admitted() {
			return false
		}
		h := haul{want: s.want, n: maxEvents, room: streamBatch, look: maxEventsLook}
		if err := s.read(ctx, &h); err != nil {
			if ctx.Err() == nil {
				s.log.ErrorContext(ctx, "a stream of events ends", "request_id", s.told.RequestID, "error", err)
			}
			return false
		}
		s.want.after = h.at
		text := h.lines()
		h.events = nil // parts of whatever large items they were found in
		if len(text) > 0 && !s.send(text) {
			return false
		}
		if !h.more {
			// Much may happen at once, and is read in a few pieces.
			return sleep(ctx, streamCalm)
		}
	}
}

// ended says whether the server ends.
func (s *stream) ended() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// admitted says whether whoever reads may still do so. It is asked before
// anything is read: tokens end, keys are revoked and policies change.
func (s *stream) admitted() bool {
	if s.gate == nil {
		return true
	}
	session, err := s.gate.Admit(s.r)
	if err != nil {
		return false
	}
	return s.handler.reg.For(session.Rights(s.target.Repo, nil)).MayWatch(s.target.Repo) == nil
}

// lines writes the haul as a stream has it.
func (h *haul) lines() []byte {
	var b bytes.Buffer
	for _, e := range h.events {
		fmt.Fprintf(&b, "id: %d\ndata: %s\n\n", e.at, e.text)
	}
	return b.Bytes()
}

// send writes to the client at once. A slow one may take its time, but has to
// read: nothing is kept for it beyond this.
func (s *stream) send(text []byte) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.streams.patience)) // what has none, as in tests, waits
	if _, err := s.w.Write(text); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

// sleep says whether it was not woken by the end of ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
