// Package proxy is a registry to clients on this machine, and their client at
// the registry that it stands for: it logs in for them, and brings what they
// send in one long stream to where only parts are taken. Layers pass through
// memory, a bounded amount for all clients together.
package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/semaphore"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/berthregistry/berth/shared/absent"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// Options are what a Proxy needs.
type Options struct {
	// To is the registry: a scheme and a host.
	To *url.URL
	// Client logs in to it. Its transport must not decompress. Tokens are kept
	// elsewhere than in its cache.
	Client *auth.Client
	// Engine brings layers there.
	Engine *transfer.Engine
	// Idle is after which time an upload is given up that nobody sends to: two
	// minutes if zero.
	Idle time.Duration
	// Log may be nil.
	Log *slog.Logger
}

// Bounds of what clients make a proxy hold.
const (
	// maxUploads is how many uploads are open at once.
	maxUploads = 512
	// maxBody is the size in bytes of the largest body that is no layer; it is held
	// until the registry has answered, since it may have to be sent again with a token.
	maxBody = 8 << 20
	// maxBodies bounds all of those together.
	maxBodies = 4 * maxBody
)

const usualIdle = 2 * time.Minute

// A Proxy is the handler. Everything below /v2/ is the registry's, with its
// names; uploads of blobs are of the proxy itself until they are complete.
type Proxy struct {
	to      *url.URL
	client  *auth.Client // returns redirects as they are
	absent  *absent.Transport
	begin   func(ctx context.Context, repo, about string, size int64) stream // size is -1 if unknown
	uploads *uploads
	welcome welcome
	trail   trail
	bodies  *semaphore.Weighted
	buffers buffers
	log     *slog.Logger
}

// New returns a Proxy. Close it after its last request.
func New(o Options) *Proxy {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	client := *o.Client
	client.Cache = newTokens()
	spared := &absent.Transport{Ahead: true} // oras asks for referrers first
	return &Proxy{
		to:      o.To,
		client:  forwarding(&client, spared),
		absent:  spared,
		begin:   streams(&client, o),
		uploads: newUploads(cmp.Or(o.Idle, usualIdle), maxUploads, o.Log),
		bodies:  semaphore.NewWeighted(maxBodies),
		log:     o.Log,
	}
}

// streams returns how blobs are begun.
func streams(client remote.Client, o Options) func(ctx context.Context, repo, about string, size int64) stream {
	return func(ctx context.Context, repo, about string, size int64) stream {
		r := &remote.Repository{
			Client:    client,
			Reference: registry.Reference{Registry: o.To.Host, Repository: repo},
			PlainHTTP: o.To.Scheme == "http",
		}
		return o.Engine.Open(r, about).NewStream(ctx, size)
	}
}

// forwarding returns a client for what is passed on. A redirect is for whoever
// asked: they are on this machine and get there too, and the bytes need not come
// through here. Only a request for a token is sent on. What the registry has said
// to be absent is not asked for: all clients are one to it, the proxy.
func forwarding(c *auth.Client, spared *absent.Transport) *auth.Client {
	out, base := *c, http.Client{}
	if c.Client != nil {
		base = *c.Client
	}
	spared.Base = base.Transport
	base.Transport = retry.NewTransport(spared)
	base.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		switch _, err := parse(via[0].URL.Path); {
		case err == nil:
			return http.ErrUseLastResponse
		case len(via) >= 10:
			return errRedirects
		}
		return nil
	}
	out.Client = &base
	return &out
}

// Close gives up the uploads that are open, and tells the registry until ctx
// ends. No more are taken.
func (p *Proxy) Close(ctx context.Context) error { return p.uploads.close(ctx) }

// Spared returns how many requests of clients for referrers were answered by the
// proxy, since the registry had just said that there are none.
func (p *Proxy) Spared() int64 { return p.absent.Spared() }

// A visit is one request, from its start to its end.
type visit struct {
	*Proxy
	host   string // by which the client knows the proxy
	target target
	about  string // what the registry is told that this is about; "" for nothing
}

// methods are those of the spec. Others have nothing to ask a registry.
var methods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodDelete: true,
	http.MethodPost: true, http.MethodPatch: true, http.MethodPut: true,
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{Proxy: p, host: r.Host}
	if err := v.serve(w, r); err != nil {
		v.fail(w, r, err)
	}
}

// serve answers unless it returns an error: then nothing was written.
func (v *visit) serve(w http.ResponseWriter, r *http.Request) (err error) {
	if v.target, err = parse(r.URL.Path); err != nil {
		return err
	}
	if !methods[r.Method] {
		return oci.ErrMethod.With(nil, "%.20s is not supported", r.Method)
	}
	v.about = v.hint(r.Header)
	switch {
	case v.target.kind == kindUploads && r.Method == http.MethodPost:
		return v.startUpload(w, r)
	case v.target.kind == kindUpload:
		return v.continueUpload(w, r)
	}
	return v.forward(w, r)
}

// Ping asks the registry whether it lets the proxy in. An error is what a client
// would be told.
func (p *Proxy) Ping(ctx context.Context) error {
	v := &visit{Proxy: p}
	resp, err := v.send(ctx, http.MethodGet, "/v2/", "", nil)
	if err == nil {
		defer resp.Body.Close()
		err = v.amend(resp)
	}
	switch {
	case err != nil:
		_, items := v.explain(err)
		return errors.New(items[0].Message)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answered %s", v.to.Host, resp.Status)
	}
	return nil
}
