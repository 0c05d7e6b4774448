package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/oci"
)

var errRedirects = errors.New("too many redirects")

// forward passes a request on, and its answer back.
func (v *visit) forward(w http.ResponseWriter, r *http.Request) error {
	free, err := v.hold(r)
	if err != nil {
		return err
	}
	defer free()
	var failed error
	(&httputil.ReverseProxy{
		Rewrite:        v.rewrite,
		Transport:      roundTripper(v.client.Do),
		ModifyResponse: v.amend,
		BufferPool:     &v.buffers,
		ErrorLog:       slog.NewLogLogger(v.log.Handler(), slog.LevelWarn),
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
	}).ServeHTTP(w, r)
	return failed
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hold reads a body that is no layer: a manifest, as a rule. It is kept until
// free is called, in case that it must be sent again.
func (v *visit) hold(r *http.Request) (free func(), err error) {
	if r.Body == nil || r.Body == http.NoBody {
		return func() {}, nil
	}
	size := r.ContentLength
	if size < 0 {
		size = maxBody
	}
	if size > maxBody {
		return nil, tooLarge()
	}
	if err := v.bodies.Acquire(r.Context(), size); err != nil {
		return nil, fmt.Errorf("wait for room for a body: %w", err)
	}
	free = func() { v.bodies.Release(size) }
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		err = errors.Join(errCut, err)
	case len(body) > maxBody:
		err = tooLarge()
	}
	if err != nil {
		free()
		return nil, err
	}
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return free, nil
}

func tooLarge() error {
	return oci.ErrTooLarge.With(nil, "this proxy takes bodies of up to %d MiB that are no blobs", maxBody>>20)
}

// notForwarded are headers of requests that are between a client and the proxy:
// the login is the proxy's.
var notForwarded = []string{"Authorization", "Connection", "Cookie", "Origin", "Upgrade"}

// rewrite makes a client's request one of the proxy's.
func (v *visit) rewrite(p *httputil.ProxyRequest) {
	p.Out = p.Out.WithContext(v.scoped(p.Out.Context(), p.In.Method, p.In.URL.Query()))
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = v.to.Scheme, v.to.Host, ""
	p.Out.URL.RawPath = "" // what was understood is what is sent
	p.Out.RequestURI = ""
	for _, name := range notForwarded {
		p.Out.Header.Del(name)
	}
	v.setHint(p.Out.Header)
}

// scoped says what a request needs a token for.
func (v *visit) scoped(ctx context.Context, method string, q url.Values) context.Context {
	if v.target.repo == "" {
		return ctx
	}
	actions := []string{auth.ActionPull}
	switch method {
	case http.MethodPost, http.MethodPatch, http.MethodPut:
		actions = append(actions, auth.ActionPush)
	case http.MethodDelete:
		actions = []string{auth.ActionDelete}
	}
	if v.target.kind == kindUploads || v.target.kind == kindUpload {
		actions = []string{auth.ActionPull, auth.ActionPush} // also to cancel one
	}
	scopes := []string{auth.ScopeRepository(v.target.repo, actions...)}
	if from := q.Get("from"); v.target.kind == kindUploads && oci.ValidName(from) {
		scopes = append(scopes, auth.ScopeRepository(from, auth.ActionPull))
	}
	return auth.WithScopesForHost(ctx, v.to.Host, scopes...)
}

// buffers are those of bodies on their way to clients. It implements
// httputil.BufferPool.
type buffers struct{ idle sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.idle.Get().(*[64 << 10]byte); ok {
		return p[:]
	}
	return make([]byte, 64<<10)
}

func (b *buffers) Put(p []byte) { b.idle.Put((*[64 << 10]byte)(p)) }
