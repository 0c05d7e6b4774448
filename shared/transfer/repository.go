package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// A Repository is where blobs are brought to or fetched from. It is safe for use
// by several goroutines.
type Repository struct {
	engine *Engine
	repo   *remote.Repository
	client doer
	base   *url.URL // ends in /v2/<name>/
	hint   string

	mu    sync.Mutex
	begun map[oci.Digest]direct.Blob // what Standing has begun, for Push
	open  map[oci.Digest]session     // uploads that began where a mount was asked for
}

// Open returns a repository of a registry, to which repo.Client logs in. Each
// request has hint as its OCI-Ref: which image it is about, as host/name:tag. It
// has none if hint is empty.
func (e *Engine) Open(repo *remote.Repository, hint string) *Repository {
	scheme := "https"
	if repo.PlainHTTP {
		scheme = "http"
	}
	base := &url.URL{Scheme: scheme, Host: repo.Reference.Host(), Path: "/v2/" + repo.Reference.Repository + "/"}
	return &Repository{
		engine: e, repo: repo, client: stay(repo.Client, base), base: base, hint: hint,
		begun: map[oci.Digest]direct.Blob{}, open: map[oci.Digest]session{},
	}
}

// stay returns a client that logs in as c does, but follows a request below base
// to no other origin: that is for those who know that it carries no credentials
// there. It leaves it to its caller to try again.
func stay(c remote.Client, base *url.URL) doer {
	switch c := c.(type) {
	case nil:
		return stay(auth.DefaultClient, base)
	case *auth.Client:
		own := *c
		own.Client = homebound(c.Client, base)
		return &own
	case *http.Client:
		return homebound(c, base)
	}
	return c
}

func homebound(c *http.Client, base *url.URL) *http.Client {
	own := http.Client{}
	if c != nil {
		own = *c
	}
	own.Timeout = 0 // of a whole body; what stands still is ended by send
	if t, ok := own.Transport.(*retry.Transport); ok {
		own.Transport = t.Base
	}
	asked := own.CheckRedirect
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		first := via[0].URL
		switch {
		case strings.HasPrefix(first.Path, base.Path) && sameOrigin(first, base) && !sameOrigin(req.URL, base):
			return http.ErrUseLastResponse
		case asked != nil:
			return asked(req, via)
		case len(via) >= maxHops:
			return fmt.Errorf("stopped after %d redirects", maxHops)
		}
		return nil
	}
	return &own
}

// maxHops is how often one request is sent on.
const maxHops = 10

// A call is a request.
type call struct {
	method string
	url    *url.URL
	header map[string]string
	body   payload
	wait   time.Duration // for the answer; pace.patience if zero
}

// do makes a request and returns the answer if it has one of these statuses. Other
// answers are a *refusal. Credentials are for the registry itself: what it
// names elsewhere is asked without.
func (r *Repository) do(ctx context.Context, c call, statuses ...int) (*http.Response, error) {
	if !sameOrigin(c.url, r.base) {
		return r.engine.askStore(ctx, c, statuses...)
	}
	at := *c.url
	at.Host = r.base.Host // with or without the port of the scheme: logins are kept by name
	req, err := r.engine.request(ctx, c, &at)
	if err != nil {
		return nil, err
	}
	if r.hint != "" {
		req.Header.Set("OCI-Ref", r.hint)
	}
	resp, err := r.engine.send(r.client, req, c)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.method, bare(&at), withoutURL(err))
	}
	if !slices.Contains(statuses, resp.StatusCode) {
		return nil, registryRefusal(resp, &at)
	}
	return resp, nil
}

// askStore is do for what is not the registry.
func (e *Engine) askStore(ctx context.Context, c call, statuses ...int) (*http.Response, error) {
	req, err := e.request(ctx, c, c.url)
	if err != nil {
		return nil, err
	}
	resp, err := e.send(e.store, req, c)
	if err != nil {
		return nil, fmt.Errorf("%s to the store at %s: %w", c.method, c.url.Host, withoutURL(err))
	}
	if !slices.Contains(statuses, resp.StatusCode) {
		return nil, storeRefusal(resp, c.url)
	}
	return resp, nil
}

func (e *Engine) request(ctx context.Context, c call, at *url.URL) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make a request to %s: %w", at.Host, withoutURL(err))
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	return req, nil
}

func (e *Engine) send(client doer, req *http.Request, c call) (*http.Response, error) {
	wait := c.wait
	if wait == 0 {
		wait = e.pace.patience
	}
	return send(client, req, c.body, e.pace.stall, wait)
}

// An unanswered is why a request got no answer.
type unanswered struct{ err error }

func (u *unanswered) Error() string { return u.err.Error() }
func (u *unanswered) Unwrap() error { return u.err }

// withoutURL takes the URL out of an error: its query may be a secret. Errors of
// net/http and of oras-go say it first, and then what happened.
func withoutURL(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return &unanswered{failed.Err}
	}
	var login *errcode.ErrorResponse // of where tokens come from
	if errors.As(err, &login) {
		err = fmt.Errorf("log in at %s: status %d", login.URL.Host, login.StatusCode)
		if r := (&refusal{status: login.StatusCode}); r.passing() {
			return &unanswered{err}
		}
		return err
	}
	if inner := errors.Unwrap(err); inner != nil && strings.Contains(err.Error(), "://") {
		return inner
	}
	return err
}

// at returns the URL of something below the repository.
func (r *Repository) at(path string) *url.URL {
	u := *r.base
	u.Path += path
	return &u
}

// pulling and pushing say what a login is for.
func (r *Repository) pulling(ctx context.Context) context.Context {
	return auth.AppendRepositoryScope(ctx, r.repo.Reference, auth.ActionPull)
}

func (r *Repository) pushing(ctx context.Context) context.Context {
	return auth.AppendRepositoryScope(ctx, r.repo.Reference, auth.ActionPull, auth.ActionPush)
}

// sameOrigin says whether two URLs are of one scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case strings.EqualFold(u.Scheme, "http"):
		return "80"
	}
	return "443"
}

// follow reads where an answer sends to. From TLS nothing goes on without it.
func follow(resp *http.Response, from *url.URL) (*url.URL, error) {
	location := resp.Header.Get("Location")
	to, err := from.Parse(location)
	switch {
	case location == "" || err != nil:
		return nil, fmt.Errorf("%w: status %d without a Location", errAnswer, resp.StatusCode)
	case to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.User != nil:
		return nil, fmt.Errorf("%w: a Location that is no URL of HTTP", errAnswer)
	case from.Scheme == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("%w: a Location without TLS", errAnswer)
	}
	return to, nil
}
