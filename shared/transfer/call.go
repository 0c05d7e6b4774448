package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"
)

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

// doOn is do, and goes on where the registry sends. It returns where it got to: nil is
// the registry itself.
func (r *Repository) doOn(ctx context.Context, c call, statuses ...int) (*http.Response, *url.URL, error) {
	resp, err := r.do(ctx, c, orRedirect(statuses...)...)
	if err != nil || !isRedirect(resp.StatusCode) {
		return resp, nil, err
	}
	discard(resp)
	if c.url, err = follow(resp, c.url); err != nil {
		return nil, nil, err
	}
	return r.engine.askOn(ctx, c, statuses...)
}

// askOn is askStore, and goes on where that sends. It returns where it got to.
func (e *Engine) askOn(ctx context.Context, c call, statuses ...int) (*http.Response, *url.URL, error) {
	for range maxHops {
		resp, err := e.askStore(ctx, c, orRedirect(statuses...)...)
		if err != nil || !isRedirect(resp.StatusCode) {
			return resp, c.url, err
		}
		discard(resp)
		if c.url, err = follow(resp, c.url); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("%w: sent on more than %d times", errAnswer, maxHops)
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
		answer := &errcode.ErrorResponse{Method: login.Method, URL: bare(login.URL), StatusCode: login.StatusCode, Errors: login.Errors}
		err = fmt.Errorf("log in at %s: %w", login.URL.Host, answer)
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
