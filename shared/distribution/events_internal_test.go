package distribution

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func FuzzReadWatch(f *testing.F) {
	f.Add("after=0&n=10&type=tag.moved&type=dev.berth.referrer", "")
	f.Add("after=1763773200000000", "1763773200000001")
	f.Add("n=99999999999999999999&type=", "-1")
	f.Add("after=9999999999999999&n=0", "+1")
	f.Fuzz(func(t *testing.T, query, last string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		want, err := readWatch(http.Header{"Last-Event-Id": {last}}, q)
		if err != nil {
			if !errors.Is(err, oci.ErrPage) {
				t.Errorf("error %v", err)
			}
			return
		}
		if want.after < -1 || want.after >= 1e16 || want.n < 1 || want.n > maxEvents || len(want.types) > maxTypes {
			t.Errorf("%q, %q: read as %+v", query, last, want)
		}
		for _, name := range want.types {
			if !strings.HasPrefix(name, eventTypePrefix) || len(name) > maxTypeName+len(eventTypePrefix) {
				t.Errorf("type %q", name)
			}
		}
		want.wants(query) // whatever is in the table, it does not panic
		nameless(query)
	})
}

// A stream that waits for an event that never comes reads on, a bounded part of
// the log at a time.
func TestAHaulLooksAtSoMuch(t *testing.T) {
	h := haul{want: watch{types: []string{"dev.berth.tag.moved"}}, n: 10, room: 1 << 20, look: 100}
	event := `{"type":"dev.berth.tag.created","data":"` + strings.Repeat("x", 60) + `"}`
	var looked int64
	for h.take(looked+1, event) {
		looked++
	}
	if looked != 1 || h.at != 1 || !h.more || len(h.events) != 0 {
		t.Errorf("looked at %d events, up to %d, more %t", looked, h.at, h.more)
	}
}

// large are events each of which is a small part of a large item of the table.
type large struct{ Events }

func (large) Read(_ context.Context, _ string, _ int64, each func(int64, string) bool) error {
	for i := range int64(100) {
		item := strings.Repeat("x", 400<<10) + `{"id":"1"}`
		if !each(i+1, item[400<<10:]) {
			break
		}
	}
	return nil
}

// slow is a client that reads nothing.
type slow struct {
	http.ResponseWriter
	held uint64 // bytes, while it is written to
}

func (s *slow) Write(p []byte) (int, error) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	s.held = m.HeapAlloc
	return 0, io.ErrClosedPipe
}

// For one that reads slowly its events are held, and not all the items of the
// table that they are a part of.
func TestStreamHoldsLittle(t *testing.T) {
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	client := &slow{ResponseWriter: httptest.NewRecorder()}
	s := stream{
		visit: &visit{handler: &handler{events: large{}, streams: newStreams()}},
		w:     client, control: http.NewResponseController(client), want: watch{after: 0},
	}
	if s.catchUp(t.Context()) || client.held == 0 {
		t.Error("nothing was sent, or more than can be")
	}
	if more := int64(client.held) - int64(before.HeapAlloc); more > 4<<20 {
		t.Errorf("%d KiB are held", more>>10)
	}
}

// Those who are not logged in leave room for those who are, whatever number of
// addresses they have.
func TestStrangersLeaveRoom(t *testing.T) {
	s := newStreams()
	var last func()
	for i := range maxStreams {
		leave, err := s.enter(fmt.Sprint("2001:db8::", i), true)
		if (err != nil) != (i >= maxStrangers) {
			t.Fatalf("stream %d of strangers: %v", i, err)
		}
		if err == nil {
			last = leave
		}
	}
	if _, err := s.enter("robot:ci", false); err != nil {
		t.Errorf("somebody: %v", err)
	}
	last()
	if _, err := s.enter("2001:db8::1", true); err != nil {
		t.Errorf("a stranger after one has left: %v", err)
	}
}
