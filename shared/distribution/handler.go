package distribution

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// Options are what a handler may be given. The zero value is usable.
type Options struct {
	// Observe is called after each answer, on the goroutine of the request.
	Observe func(*http.Request, Exchange)
	// Log gets the causes of internal errors, which clients are not told.
	Log *slog.Logger
	// Door is what stands between the handler and its clients.
	Door Door
	// Gate says who makes a request, and so what they may do. Without one,
	// whoever reaches the handler may do everything.
	Gate Gate
	// Busy says of an internal error that a store has too much to do. Clients
	// are then told to come back, which most do by themselves, where they would
	// give up over an error that says nothing.
	Busy func(error) bool
}

// New returns a handler of everything below /v2/.
func New(reg *registry.Registry, o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Busy == nil {
		o.Busy = func(error) bool { return false }
	}
	o.Door.Valid = cmp.Or(o.Door.Valid, time.Minute)
	return &handler{reg: reg, door: o.Door, gate: o.Gate, observe: o.Observe, log: o.Log, busy: o.Busy}
}

type handler struct {
	reg     *registry.Registry
	door    Door
	gate    Gate
	observe func(*http.Request, Exchange)
	log     *slog.Logger
	busy    func(error) bool
}

// An endpoint reads a request, asks the registry, and writes the answer, unless
// it returns an error: then nothing was written.
type endpoint func(*handler, http.ResponseWriter, *http.Request, Target) error

// endpoints is everything that there is, by route and method.
var endpoints = map[Route]map[string]endpoint{
	RoutePing:      {http.MethodGet: (*handler).ping, http.MethodHead: (*handler).ping},
	RouteCatalog:   {http.MethodGet: (*handler).listRepositories, http.MethodHead: (*handler).listRepositories},
	RouteTags:      {http.MethodGet: (*handler).listTags, http.MethodHead: (*handler).listTags},
	RouteReferrers: {http.MethodGet: (*handler).listReferrers, http.MethodHead: (*handler).listReferrers},
	RouteManifest: {
		http.MethodGet:    (*handler).getManifest,
		http.MethodHead:   (*handler).headManifest,
		http.MethodPut:    (*handler).putManifest,
		http.MethodDelete: (*handler).deleteManifest,
	},
	RouteBlob: {
		http.MethodGet:    (*handler).getBlob,
		http.MethodHead:   (*handler).headBlob,
		http.MethodDelete: (*handler).deleteBlob,
	},
	RouteUploads: {http.MethodPost: (*handler).startUpload},
	RouteUpload: {
		http.MethodGet:    (*handler).getUpload,
		http.MethodHead:   (*handler).getUpload,
		http.MethodPatch:  (*handler).patchUpload,
		http.MethodPut:    (*handler).putUpload,
		http.MethodDelete: (*handler).cancelUpload,
	},
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w}
	id := requestID(r)
	rec.Header()["X-Request-Id"] = []string{id}
	target, err := Parse(r.URL.Path)
	if err == nil {
		err = h.dispatch(rec, r, target)
	}
	if err != nil {
		err = h.fail(rec, r, id, err)
	}
	if h.observe != nil {
		h.observe(r, Exchange{
			Method: oci.Clip(r.Method), Route: string(target.Route), Repo: target.Repo, Ref: target.Label(),
			Status: rec.code(), Bytes: rec.bytes, Duration: time.Since(start), RequestID: id, Err: err,
		})
	}
}

func (h *handler) dispatch(w http.ResponseWriter, r *http.Request, t Target) error {
	methods := endpoints[t.Route]
	do, ok := methods[r.Method]
	if !ok {
		w.Header().Set("Allow", allowed(methods))
		return oci.ErrMethod.With(nil, "%.20s is not supported here", r.Method)
	}
	if h.door.Headless && r.Method == http.MethodHead && t.Route != RouteBlob {
		r, do = asGet(r), methods[http.MethodGet]
	}
	return do(h, w, r, t)
}

func allowed(methods map[string]endpoint) string {
	var names []string
	for m := range methods {
		names = append(names, m)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// ping is end-1.
func (h *handler) ping(w http.ResponseWriter, r *http.Request, _ Target) error {
	// Clients older than the spec look for this header.
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	writeJSON(w, r, []byte("{}"))
	return nil
}
