package news

import (
	"io"
	"net/http"
	"net/http/httptest"
	"time"
)

// A Hook takes events as webhooks do, and believes whoever brings them.
type Hook struct {
	Arrivals
	server *httptest.Server
}

// OpenHook returns a hook on loopback.
func OpenHook() *Hook {
	h := &Hook{}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = h.noteEvent(raw, at)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	return h
}

// URL is where events are brought to.
func (h *Hook) URL() string { return h.server.URL + "/hook" }

// Close ends it.
func (h *Hook) Close() { h.server.Close() }
