package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// maxEventPage is the largest page that is read, in bytes.
const maxEventPage = 4 << 20

// take prints an event, unless it has been printed, and remembers where to go on.
func (w *watcher) take(mark string, event []byte) error {
	if len(event) > 0 {
		var e struct{ Source, ID string }
		if err := json.Unmarshal(event, &e); err != nil || e.ID == "" {
			return final{fmt.Errorf("%s sends what is no event", w.host)}
		}
		if w.seen.add(sha256.Sum256([]byte(e.Source + "\n" + e.ID))) {
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

// recent remembers the latest of many events, by hashes: a registry may call them
// by names of any length. The zero value is empty.
type recent struct {
	has   map[[sha256.Size]byte]bool
	order [][sha256.Size]byte
}

// maxRecent is how many are remembered: more than come again after a failure.
const maxRecent = 10_000

// add says whether the event is new.
func (r *recent) add(s [sha256.Size]byte) bool {
	if r.has[s] {
		return false
	}
	if r.has == nil {
		r.has = map[[sha256.Size]byte]bool{}
	}
	r.has[s] = true
	r.order = append(r.order, s)
	if len(r.order) > maxRecent {
		delete(r.has, r.order[0])
		r.order = r.order[1:]
	}
	return true
}
