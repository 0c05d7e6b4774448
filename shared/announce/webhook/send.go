package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// timeout is how long a hook may take to answer. It had better take an event
	// and do what is to be done afterwards.
	timeout = 15 * time.Second
	// grace is how long it still may when the process is to end.
	grace = 5 * time.Second
	// maxAnswer is what is read of an answer, in bytes, so that the connection
	// can be used again. What it says is of no interest.
	maxAnswer = 64 << 10
	// atOnce is how many events of one hook are sent at once.
	atOnce = 8
)

// NewTransport returns what carries requests to hooks.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    timeout,
		MaxIdleConnsPerHost:    atOnce,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxAnswer,
		ForceAttemptHTTP2:      true,
	}
}

// proxy is that of the environment, as for other clients. Its address may have a
// password, which the error about a bad one repeats.
func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errors.New("the proxy in the environment is not a URL")
	}
	return u, nil
}

// newClient follows no redirect: events go where the operator sends them.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A verdict is what became of a request. The zero value is that the hook took
// the event.
type verdict struct {
	err  error         // why it did not; has no secret
	gone bool          // it will take none, ever
	wish time.Duration // it asks to be left alone for so long
}

// send sends an event once. When ctx ends the request goes on for a moment.
func (o *Outbox) send(ctx context.Context, event string, body []byte) verdict {
	secrets, err := o.hook.Secrets()
	if err != nil {
		return verdict{err: err}
	}
	ctx, cancel := lingering(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.hook.URL.String(), bytes.NewReader(body))
	if err != nil {
		return verdict{err: errors.New("the request cannot be made")} // the cause would have the URL
	}
	now := time.Now()
	for name, value := range map[string]string{
		"Content-Type":      "application/cloudevents+json",
		"User-Agent":        "Berth",
		"Webhook-Id":        idOf(event),
		"Webhook-Timestamp": strconv.FormatInt(now.Unix(), 10),
		"Webhook-Signature": signature(secrets, idOf(event), now, body),
	} {
		req.Header.Set(name, value)
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return verdict{err: bare(err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // the status has said it all
	return judge(resp, now)
}

// lingering is a context that ends a moment after ctx has.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(grace, cancel)
		context.AfterFunc(out, func() { late.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// bare is an error of a request in our words and the system's alone. What else an
// error may repeat, the URL or what a hook has said, may have a secret.
func bare(err error) error {
	var (
		u    *url.Error
		op   *net.OpError
		cert *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &u) && u.Timeout():
		return fmt.Errorf("no answer within %v", timeout)
	case errors.As(err, &op):
		return op
	case errors.As(err, &cert):
		return errors.New(clipped(cert.Error()))
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection")
	}
	return errors.New("the request failed, or its answer is not HTTP")
}

// maxReason is how much is kept of what is wrong with a certificate, in bytes. It
// repeats the names in it, which may be many and long.
const maxReason = 300

func clipped(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxReason)], "") }

// judge reads an answer by its status alone (Standard Webhooks, "Operational
// considerations").
func judge(resp *http.Response, now time.Time) verdict {
	if resp.StatusCode/100 == 2 {
		return verdict{}
	}
	return verdict{
		err:  fmt.Errorf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)),
		gone: resp.StatusCode == http.StatusGone,
		wish: parseWish(resp.Header.Get("Retry-After"), now),
	}
}

// parseWish reads Retry-After (RFC 9110, section 10.2.3): seconds or a date. What
// is neither is no wish.
func parseWish(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxWish)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxWish)
}
