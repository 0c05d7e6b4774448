package distribution

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// What one page takes, in bytes: of events, and of events that are looked at.
const (
	maxEventsPage = 1 << 20
	maxEventsLook = 8 << 20
)

// A haul is events that were read at once.
type haul struct {
	want   watch
	mute   bool // about who did it
	n      int  // how many more are taken
	room   int  // for how many bytes
	look   int  // how many bytes are still looked at
	events []told
	at     int64 // the position up to which all were looked at
	more   bool  // there are others behind
}

// told is an event and its position.
type told struct {
	at   int64
	text string
}

// take is called with each event, and says whether it wants another. One is
// taken however large it is.
func (h *haul) take(position int64, event string) bool {
	size, wanted := len(event), h.want.wants(event)
	if wanted && h.mute {
		event, wanted = nameless(event)
	}
	if h.look <= 0 || wanted && (h.n == 0 || h.room < len(event) && len(h.events) > 0) {
		h.more = true
		return false
	}
	if wanted {
		h.events = append(h.events, told{position, event})
		h.n--
		h.room -= len(event) + 1
	}
	h.look -= size
	h.at = position
	return true
}

// nameless is an event without who did it, and whether it is one. Who may log in
// is nothing to tell those who have not.
func nameless(event string) (string, bool) {
	var envelope, data map[string]json.RawMessage
	if json.Unmarshal([]byte(event), &envelope) != nil || json.Unmarshal(envelope["data"], &data) != nil {
		return "", false
	}
	delete(data, "by")
	envelope["data"] = compact(data)
	return string(compact(envelope)), true
}

// compact writes JSON as it was: Marshal would escape what is in it, and make an
// event larger than events are.
func compact(members map[string]json.RawMessage) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(members) // of JSON that was read it does not fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// read fills the haul. A watch that begins now begins at the newest event.
func (v *visit) read(ctx context.Context, h *haul) (err error) {
	h.mute = v.session != nil && v.session.Unknown()
	if h.want.after < 0 {
		h.at, err = v.events.Head(ctx, v.target.Repo)
	} else {
		h.at = h.want.after
		err = v.events.Read(ctx, v.target.Repo, h.at, h.take)
	}
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return nil
}

// pageEvents answers with what there is. Who asks is told where to go on also if
// there is nothing, and when, if there is no more yet.
func (v *visit) pageEvents(w http.ResponseWriter, r *http.Request, want watch) error {
	h := haul{want: want, n: want.n, room: maxEventsPage, look: maxEventsLook}
	if err := v.read(r.Context(), &h); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if v.door.Poll > 0 && !h.more {
		header.Set("Retry-After", strconv.FormatInt(int64(max(1, v.door.Poll/time.Second)), 10))
	}
	writeJSON(w, r, h.page())
	return nil
}

// page writes the haul, of events that are JSON already.
func (h *haul) page() []byte {
	var b bytes.Buffer
	b.WriteString(`{"events":[`)
	for i, e := range h.events {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.text)
	}
	fmt.Fprintf(&b, `],"next":"%d","more":%t}`, h.at, h.more)
	return b.Bytes()
}
