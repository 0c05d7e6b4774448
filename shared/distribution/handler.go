package distribution

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access"
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
	// Events are what is told of repositories. Without them there is no such
	// extension.
	Events Events
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
	return &handler{
		reg: reg, door: o.Door, gate: o.Gate, observe: o.Observe, log: o.Log, busy: o.Busy,
		events: o.Events, streams: newStreams(),
	}
}

type handler struct {
	reg     *registry.Registry
	door    Door
	gate    Gate
	observe func(*http.Request, Exchange)
	log     *slog.Logger
	busy    func(error) bool
	events  Events
	streams *streams
}

// An endpoint reads a request, asks the registry, and writes the answer, unless
// it returns an error: then nothing was written.
type endpoint func(*visit, http.ResponseWriter, *http.Request, Target) error

// endpoints is everything that there is, by route and method.
var endpoints = map[Route]map[string]endpoint{
	RoutePing:      {http.MethodGet: (*visit).ping, http.MethodHead: (*visit).ping},
	RouteCatalog:   {http.MethodGet: (*visit).listRepositories, http.MethodHead: (*visit).listRepositories},
	RouteTags:      {http.MethodGet: (*visit).listTags, http.MethodHead: (*visit).listTags},
	RouteReferrers: {http.MethodGet: (*visit).listReferrers, http.MethodHead: (*visit).listReferrers},
	RouteManifest: {
		http.MethodGet:    (*visit).getManifest,
		http.MethodHead:   (*visit).headManifest,
		http.MethodPut:    (*visit).putManifest,
		http.MethodDelete: (*visit).deleteManifest,
	},
	RouteBlob: {
		http.MethodGet:    (*visit).getBlob,
		http.MethodHead:   (*visit).headBlob,
		http.MethodDelete: (*visit).deleteBlob,
	},
	RouteUploads: {http.MethodPost: (*visit).startUpload},
	RouteUpload: {
		http.MethodGet:    (*visit).getUpload,
		http.MethodHead:   (*visit).getUpload,
		http.MethodPatch:  (*visit).patchUpload,
		http.MethodPut:    (*visit).putUpload,
		http.MethodDelete: (*visit).cancelUpload,
	},
	RouteDiscover:      {http.MethodGet: (*visit).discover, http.MethodHead: (*visit).discover},
	RouteEvents:        {http.MethodGet: (*visit).getEvents},
	RouteDirectUploads: {http.MethodPost: (*visit).beginDirect},
	RouteDirectUpload: {
		http.MethodGet:    (*visit).getDirect,
		http.MethodHead:   (*visit).getDirect,
		http.MethodPut:    (*visit).completeDirect,
		http.MethodDelete: (*visit).abortDirect,
	},
	RouteDirectParts: {http.MethodPost: (*visit).signParts},
}

// A visit is one request, from its start to its end.
type visit struct {
	*handler
	reg     *registry.Registry // as it is to whoever makes the request
	session *access.Session    // who that is; nil if nobody asked
	may     access.Decisions   // what they may do in the target's repository
	target  Target
	hint    hint
	sources []string // other repositories that it is to read from
	told    Exchange
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w}
	v := &visit{handler: h, reg: h.reg}
	v.told.RequestID = requestID(r)
	rec.Header()["X-Request-Id"] = []string{v.told.RequestID}
	err := v.answer(rec, r)
	if err != nil {
		err = v.fail(rec, r, err)
	}
	if h.observe != nil {
		v.told.Status, v.told.Bytes, v.told.Duration, v.told.Err = rec.code(), rec.bytes, time.Since(start), err
		h.observe(r, v.tell(r))
	}
}

func (v *visit) answer(w http.ResponseWriter, r *http.Request) error {
	var misread error
	v.target, misread = Parse(r.URL.Path)
	v.hint = readHint(r.Header, v.target.Repo)
	if v.gate != nil {
		if err := v.admit(w, r, misread); err != nil {
			return err
		}
	}
	if misread != nil {
		return misread
	}
	err := v.dispatch(w, r, v.target)
	if v.session != nil && errors.Is(err, oci.ErrDenied) {
		return v.deny(w, r, err)
	}
	return err
}

func (v *visit) dispatch(w http.ResponseWriter, r *http.Request, t Target) error {
	if t.Route.isDirect() && !v.reg.TakesDirect() {
		return oci.ErrUnsupported.With(nil, "this registry takes no direct uploads")
	}
	if t.Route == RouteEvents && v.events == nil {
		return oci.ErrUnsupported.With(nil, "this registry tells no events")
	}
	methods := endpoints[t.Route]
	do, ok := methods[r.Method]
	if !ok {
		w.Header().Set("Allow", allowed(methods))
		return oci.ErrMethod.With(nil, "%.20s is not supported here", r.Method)
	}
	if v.door.Headless && r.Method == http.MethodHead && t.Route != RouteBlob {
		r, do = asGet(r), methods[http.MethodGet]
	}
	return do(v, w, r, t)
}

func allowed(methods map[string]endpoint) string {
	return strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
}

// ping is end-1.
func (v *visit) ping(w http.ResponseWriter, r *http.Request, _ Target) error {
	// Clients older than the spec look for this header.
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	writeJSON(w, r, []byte("{}"))
	return nil
}
