package distribution

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// The endpoint of events, docs/events.md. Whoever may pull all of a repository
// reads there what has happened in it: page by page, or as a stream that does not
// end.

// eventsEndpoint is below /v2/<name>/.
const eventsEndpoint = "_berth/v1/events"

// Events are what was told of each repository of late, in one order.
type Events interface {
	// Head returns the position of the newest event of a repository. Whatever is
	// told from then on has a greater one.
	Head(ctx context.Context, repo string) (int64, error)

	// Read calls each with the events behind a position, in their order, until
	// there are no more or it returns false. An event is JSON on one line. Nothing
	// appears later before what was read.
	Read(ctx context.Context, repo string, after int64, each func(position int64, event string) bool) error

	// Follow returns a channel that gets something when there may be more to
	// Read, and what ends that. It need not get anything.
	Follow(repo string) (added <-chan struct{}, stop func())
}

// getEvents is GET of events.
func (v *visit) getEvents(w http.ResponseWriter, r *http.Request, t Target) error {
	want, err := readWatch(r.Header, r.URL.Query())
	if err != nil {
		return err
	}
	if err := v.reg.MayWatch(t.Repo); err != nil {
		return err
	}
	if v.door.Poll == 0 && wantsStream(r.Header) {
		return v.streamEvents(w, r, want)
	}
	return v.pageEvents(w, r, want)
}

const typeEventStream = "text/event-stream"

func wantsStream(h http.Header) bool {
	for _, accept := range h["Accept"] {
		for one := range strings.SplitSeq(accept, ",") {
			one, _, _ = strings.Cut(one, ";")
			if strings.EqualFold(strings.TrimSpace(one), typeEventStream) {
				return true
			}
		}
	}
	return false
}

// Bounds of what a client may ask for.
const (
	maxEvents    = 1000 // in a page
	usualEvents  = 100
	maxTypes     = 16
	maxTypeName  = 64
	maxEventMark = 16 // digits of a position
)

// A watch is what a client wants to be told.
type watch struct {
	after int64 // the position behind which it begins, -1 for now
	n     int   // how many events a page has at most
	types []string
}

// readWatch reads a request. Errors: oci.ErrPage.
func readWatch(h http.Header, q url.Values) (watch, error) {
	want := watch{after: -1, n: usualEvents}
	mark, given := q.Get("after"), q.Has("after")
	if last := h.Get("Last-Event-Id"); last != "" { // what browsers send who go on with a stream
		mark, given = last, true
	}
	if given {
		var err error
		if want.after, err = parsePosition(mark); err != nil {
			return want, err
		}
	}
	n, err := pageSize(q)
	switch {
	case err != nil:
		return want, err
	case n == 0:
		return want, oci.ErrPage.With(nil, "n must be a whole number from 1")
	case n > 0:
		want.n = min(n, maxEvents)
	}
	want.types, err = readTypes(q["type"])
	return want, err
}

func parsePosition(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || len(text) > maxEventMark {
		return 0, oci.ErrPage.With(nil, "after must be what next said, or a number of microseconds since 1970")
	}
	return int64(n), nil
}

// eventTypePrefix begins the types of all events here.
const eventTypePrefix = "dev.berth."

// readTypes reads types, or what they begin with up to a dot.
func readTypes(names []string) ([]string, error) {
	if len(names) > maxTypes {
		return nil, oci.ErrPage.With(nil, "at most %d types can be asked for", maxTypes)
	}
	var types []string
	for _, name := range names {
		name = strings.TrimPrefix(name, eventTypePrefix)
		odd := strings.ContainsFunc(name, func(c rune) bool { return c != '.' && (c < 'a' || c > 'z') })
		if name == "" || len(name) > maxTypeName || odd {
			return nil, oci.ErrPage.With(nil, "%q is no type of events, such as referrer.attached", oci.Clip(name))
		}
		types = append(types, eventTypePrefix+name)
	}
	return types, nil
}

// wants says whether an event is of a type that was asked for.
func (want watch) wants(event string) bool {
	if len(want.types) == 0 {
		return true
	}
	var e struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		return false
	}
	for _, t := range want.types {
		if rest, ok := strings.CutPrefix(e.Type, t); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}
