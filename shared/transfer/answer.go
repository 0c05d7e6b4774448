package transfer

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/direct"
)

// errShort is a body that ended before its bytes were all there.
var errShort = errors.New("the answer ended early")

// errAnswer is an answer that makes no sense.
var errAnswer = errors.New("unexpected answer")

// Bounds of answers in bytes.
const (
	maxRefusal = 16 << 10
	maxDrained = 64 << 10
)

// A refusal is an answer other than what was asked for. Those of a registry wrap
// an errcode.ErrorResponse.
type refusal struct {
	err    error
	status int
	codes  []string
	after  time.Duration // to wait before the next try
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// has says whether one of these codes is in the answer.
func (r *refusal) has(codes ...string) bool {
	return slices.ContainsFunc(r.codes, func(c string) bool { return slices.Contains(codes, c) })
}

// refusedWith says whether err is an answer of one of these statuses.
func refusedWith(err error, statuses ...int) bool {
	var r *refusal
	return errors.As(err, &r) && slices.Contains(statuses, r.status)
}

// refusedAs says whether err is an answer with one of these codes.
func refusedAs(err error, codes ...string) bool {
	var r *refusal
	return errors.As(err, &r) && r.has(codes...)
}

// registryRefusal reads the answer of a registry, and closes it. What comes after
// the path of its URL may be a secret, and is left out.
func registryRefusal(resp *http.Response, asked *url.URL) error {
	defer discard(resp)
	answer := &errcode.ErrorResponse{Method: resp.Request.Method, URL: bare(asked), StatusCode: resp.StatusCode}
	var body struct {
		Errors errcode.Errors `json:"errors"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, maxRefusal)).Decode(&body) == nil {
		answer.Errors = body.Errors
	}
	r := &refusal{err: answer, status: resp.StatusCode, after: retryAfter(resp.Header, time.Now())}
	for _, e := range answer.Errors {
		r.codes = append(r.codes, e.Code)
	}
	return r
}

// storeRefusal reads the answer of a store, in the form of S3 or any other, and
// closes it. Of its URL nothing is said but the host.
func storeRefusal(resp *http.Response, asked *url.URL) error {
	defer discard(resp)
	var body struct {
		Code string `xml:"Code"`
	}
	r := &refusal{status: resp.StatusCode, after: retryAfter(resp.Header, time.Now())}
	if xml.NewDecoder(io.LimitReader(resp.Body, maxRefusal)).Decode(&body) == nil && body.Code != "" {
		r.codes = []string{clip(body.Code)}
	}
	r.err = fmt.Errorf("%s to the store at %s: status %d %s", resp.Request.Method, asked.Host, resp.StatusCode, r.code())
	return r
}

func (r *refusal) code() string {
	if len(r.codes) == 0 {
		return http.StatusText(r.status)
	}
	return r.codes[0]
}

// clip keeps to what codes of errors are made of.
func clip(code string) string {
	for i, c := range []byte(code) {
		if i == 64 || (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return code[:i]
		}
	}
	return code
}

// decode reads an answer in JSON, and closes it.
func decode(resp *http.Response, into any) error {
	defer discard(resp)
	raw, err := io.ReadAll(io.LimitReader(resp.Body, direct.MaxBody+1))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if len(raw) > direct.MaxBody {
		return fmt.Errorf("%w: it is too long", errAnswer)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	return nil
}

// discard closes an answer so that its connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained) // if it fails the connection is closed, no more
	_ = resp.Body.Close()
}

// bare is a URL without what may be secret in it.
func bare(u *url.URL) *url.URL {
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
}
