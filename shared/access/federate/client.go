package federate

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const (
	timeout   = 5 * time.Second // of one request
	maxAnswer = 256 << 10       // bytes of an answer
)

// errTooLarge is the end of an answer that goes on and on.
var errTooLarge = errors.New("answer is too large")

func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        time.Minute,
	}
}

// newClient returns a client that bounds the time and the size of answers.
// Redirect says which redirects it follows.
func newClient(base http.RoundTripper, redirect func(*http.Request, []*http.Request) error) *http.Client {
	return &http.Client{Transport: bounded{base}, Timeout: timeout, CheckRedirect: redirect}
}

// bounded carries requests whose answers are bounded in size.
type bounded struct{ base http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limited{resp.Body, maxAnswer}
	return resp, nil
}

// limited is a body that fails past its limit. One that was cut off silently
// might still be read as whole.
type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left+1)])
	if l.left -= n; l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// stay refuses redirects to another place than the one that was trusted.
func stay(next *http.Request, via []*http.Request) error {
	if first := via[0].URL; next.URL.Scheme != first.Scheme || next.URL.Host != first.Host || len(via) > 3 {
		return fmt.Errorf("redirected from %s to %s", first.Host, next.URL.Host)
	}
	return nil
}

// remain follows none: the redirect itself is the answer.
func remain(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// withoutURL is an error of a client without the URL, which may be a secret.
func withoutURL(err error) error {
	if detailed, ok := errors.AsType[*url.Error](err); ok {
		return detailed.Err
	}
	return err
}

// confidential reports whether nobody between can read or change what is
// exchanged with a URL: by TLS, or because it is on this machine.
func confidential(u *url.URL) bool {
	if u.Scheme == "https" {
		return u.Host != ""
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}
