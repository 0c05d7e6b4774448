package iam

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const payloadHeader = "X-Amz-Content-Sha256"

// forward has the server behind answer a request.
func (p *proxy) forward(w http.ResponseWriter, r *request) {
	may := func(a access) bool { return p.decide(r.principal, a) == Allowed }
	behind := httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { r.readdress(pr.Out, p.config.Target) },
		Transport:  p.transport,
		BufferPool: &p.buffers,
		ErrorLog:   p.errorLog,
		ModifyResponse: func(resp *http.Response) error {
			identify(resp.Header, p.protocol.requestIDs())
			return r.call.answer(resp, may)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, context.Canceled) {
				// The caller has gone, or we are to stop. Without a word it
				// would be 200, which says of a write that it has happened.
				panic(http.ErrAbortHandler)
			}
			p.refuse(w, r, fmt.Errorf("forward request: %w", err))
		},
	}
	behind.ServeHTTP(w, r.Request)
}

// readdress makes out a request to the server behind, not yet signed. Of the
// caller's signature nothing is left but the payload hash.
func (r *request) readdress(out *http.Request, target *url.URL) {
	out.URL = &url.URL{
		Scheme: target.Scheme, Host: target.Host,
		Path: r.path, RawPath: escape(r.path),
		RawQuery: r.query.Encode(),
	}
	out.Host = ""
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		out.Header.Del(name)
	}
	out.Header.Set(payloadHeader, r.payload)
	if r.body != nil {
		// A connection that turns out closed is no reason to fail.
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.body)), nil }
	}
}

// signing sends requests to the server behind, signed by its root.
type signing struct {
	root   aws.Credentials
	name   string // of the service
	region string
	signer *v4.Signer
	base   http.RoundTripper
}

func newTransport(c Config) http.RoundTripper {
	return &signing{
		root: c.Root, name: string(c.Service), region: c.TargetRegion, signer: newSigner(c.Service),
		base: &http.Transport{
			MaxIdleConnsPerHost:   256, // about as many as are at work at once
			IdleConnTimeout:       30 * time.Second,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true, // it would unpack what the caller did not ask to have packed
		},
	}
}

// RoundTrip signs the request in place: it is the last to touch it, and
// whatever came later would not be signed.
func (s *signing) RoundTrip(r *http.Request) (*http.Response, error) {
	err := s.signer.SignHTTP(r.Context(), s.root, r, r.Header.Get(payloadHeader), s.name, s.region, time.Now())
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return s.base.RoundTrip(r)
}

// identify gives an answer the ids that it lacks.
func identify(header http.Header, names []string) {
	for _, name := range names {
		if header.Get(name) == "" {
			header.Set(name, rand.Text())
		}
	}
}

// buffers are for bodies on their way.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if held, ok := b.pool.Get().(*[64 << 10]byte); ok {
		return held[:]
	}
	return make([]byte, 64<<10)
}

func (b *buffers) Put(buf []byte) { b.pool.Put((*[64 << 10]byte)(buf)) }
