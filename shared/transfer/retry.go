package transfer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// tries is how often something is tried, the first included.
	tries = 8
	// mostAsked is the longest that a server may ask us to wait.
	mostAsked = 5 * time.Minute
)

// again calls attempt until it succeeds or there is no use in it.
func (e *Engine) again(ctx context.Context, what string, attempt func() error) error {
	return e.onwards(ctx, what, func() (bool, error) { return false, attempt() })
}

// onwards is again for what comes nearer to its end even if it fails: tries count
// from the last one that did.
func (e *Engine) onwards(ctx context.Context, what string, attempt func() (nearer bool, err error)) error {
	return e.upTo(ctx, tries, what, attempt)
}

// upTo is onwards with a number of tries.
func (e *Engine) upTo(ctx context.Context, most int, what string, attempt func() (nearer bool, err error)) error {
	for n := 1; ; n++ {
		nearer, err := attempt()
		if nearer {
			n = 1
		}
		if err == nil || !worthAgain(ctx, err) {
			return err
		}
		if n >= most {
			return &final{fmt.Errorf("%w (tried %d times)", err, n)}
		}
		if err := e.rest(ctx, what, n, err); err != nil {
			return err
		}
	}
}

// A final error is one that is not worth another try of anything around it.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }
func (f *final) Unwrap() error { return f.err }

// rest waits after the nth try failed with err. It returns an error if ctx ends.
func (e *Engine) rest(ctx context.Context, what string, n int, err error) error {
	wait := e.pace.backoff(n, err)
	e.log.InfoContext(ctx, "trying again", "what", what, "try", n+1, "wait", wait, "error", err)
	return sleep(ctx, wait)
}

// backoff is as long as the server asked for, else at least half of a time that
// doubles: by chance, so that many clients do not come at once.
func (p pace) backoff(n int, err error) time.Duration {
	var r *refusal
	asked := time.Duration(0)
	if errors.As(err, &r) {
		asked = r.after
	}
	d := min(p.first<<min(n-1, 20), p.longest)
	d = d/2 + rand.N(d/2+1)
	return max(d, asked)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// worthAgain says whether the same may succeed a little later.
func worthAgain(ctx context.Context, err error) bool {
	var over *final
	if ctx.Err() != nil || errors.As(err, &over) {
		return false
	}
	if errors.Is(err, errExpired) || errors.Is(err, errDamaged) {
		return true
	}
	var r *refusal
	if errors.As(err, &r) {
		return r.passing()
	}
	return isOutage(err)
}

// broken is what net/http says of an answer that ends within its header. It has
// no value that could be compared.
const broken = "transport connection broken"

// IsCut says whether a connection ended early.
func IsCut(err error) bool {
	return err != nil && strings.Contains(err.Error(), broken) || slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}, func(cut error) bool {
		return errors.Is(err, cut)
	})
}

// isOutage says whether there was no answer, or half of one, in a way that may not
// happen again.
func isOutage(err error) bool {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var hostname x509.HostnameError
	var record tls.RecordHeaderError // who speaks no TLS will not learn it
	switch {
	case errors.As(err, &name):
		return !name.IsNotFound
	case errors.As(err, &certificate), errors.As(err, &hostname), errors.As(err, &record):
		return false
	case IsCut(err), errors.Is(err, errStalled), errors.Is(err, errShort), errors.Is(err, net.ErrClosed):
		return true
	}
	var failed *unanswered
	return errors.As(err, &failed) && !isMistake(failed)
}

// isMistake says whether a request could not be sent because of what it is.
func isMistake(err *unanswered) bool {
	return slices.ContainsFunc([]string{"unsupported protocol scheme", "no Host in request URL", "server gave HTTP response to HTTPS client"},
		func(s string) bool { return strings.Contains(err.Error(), s) })
}

// passing says whether an answer is about the moment, and not about what was
// asked.
func (r *refusal) passing() bool {
	switch r.status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusTooEarly:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	// S3 answers some of these with status 400.
	return r.status >= 500 || r.has("RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "TOOMANYREQUESTS",
		"OperationAborted", "ConditionalRequestConflict")
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, mostAsked)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), mostAsked)
	}
	return 0
}
