package iam

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// A protocol is what differs between the services.
type protocol interface {
	// payload returns the hash of the body that a signature covers. It may
	// read the body and keep it.
	payload(r *request, c claim) (string, error)
	// path is that of a request to the server behind, decoded.
	path(r *http.Request) string
	// read tells what a request does.
	read(r *request) (call, error)
	// refuse writes the answer to a request that is not let through. The call
	// is nil if it was not understood.
	refuse(w http.ResponseWriter, r *request, why refusal)
	// requestIDs are the headers by which an answer is identified.
	requestIDs() []string
}

// A call is a request that has been understood.
type call interface {
	// accesses is all that it needs to be allowed.
	accesses() []access
	// divisible reports whether the service would do what is allowed of the
	// accesses if others are not.
	divisible() bool
	// answer may change the answer of the server behind. It may ask whether
	// the principal may do something else.
	answer(resp *http.Response, may func(access) bool) error
}

// A request is one on its way through the proxy. What is further down is known
// later.
type request struct {
	*http.Request
	path      string
	query     url.Values // without the signature, where that is in the query
	body      []byte     // nil if it is streamed
	payload   string     // hash of the body, or a word for there being none
	principal Principal
	call      call
}

// proxy is the guard.
type proxy struct {
	config    Config
	protocol  protocol
	verifier  *verifier
	transport http.RoundTripper
	buffers   buffers
	errorLog  *log.Logger
}

// NewProxy returns the guard before a service. It streams the bodies of S3 and
// holds those of the others, which are small.
func NewProxy(c Config) (http.Handler, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("proxy before %s: %w", c.Service, err)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.TargetRegion == "" {
		c.TargetRegion = c.Region
	}
	p := &proxy{
		config:    c,
		verifier:  newVerifier(c),
		transport: newTransport(c),
		errorLog:  slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	switch c.Service {
	case S3:
		p.protocol = s3Protocol{domain: c.Domain}
	case SSM:
		p.protocol = newSSMProtocol(c)
	case Lambda:
		p.protocol = newLambdaProtocol(c)
	case Events:
		p.protocol = newEventsProtocol(c)
	default:
		p.protocol = newDynamoProtocol(c)
	}
	return p, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &request{Request: r}
	if err := p.admit(req); err != nil {
		p.refuse(w, req, err)
		return
	}
	p.forward(w, req)
}

// admit refuses a request, or fills in what is known of it.
func (p *proxy) admit(r *request) error {
	if err := p.authenticate(r); err != nil {
		return err
	}
	var err error
	if r.call, err = p.protocol.read(r); err != nil {
		return err
	}
	if err := p.authorize(r); err != nil {
		return err
	}
	if p.config.Fail != nil && p.config.Fail() {
		return refusal{reason: throttled}
	}
	return nil
}

// authenticate finds out who has signed a request.
func (p *proxy) authenticate(r *request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		// What is not parsed would not be verified either.
		return refusal{invalidRequest, "The query cannot be parsed."}
	}
	c, err := readClaim(r.Request, query)
	if err != nil {
		return err
	}
	if r.payload, err = p.protocol.payload(r, c); err != nil {
		return err
	}
	if r.principal, err = p.verifier.verify(r.Request, query, c, r.payload); err != nil {
		return err
	}
	if c.presigned && p.config.Expire != nil && p.config.Expire() {
		return expired
	}
	r.path, r.query = p.protocol.path(r.Request), query
	if c.presigned {
		r.query = cloneWithout(query, signatureParameters...)
	}
	return nil
}

// authorize refuses a request of which the principal may not do everything.
func (p *proxy) authorize(r *request) error {
	accesses := r.call.accesses()
	var refused []error
	for _, a := range accesses {
		if decision := p.decide(r.principal, a); decision != Allowed {
			refused = append(refused, refusal{accessDenied, p.denial(r.principal, a, decision)})
		}
	}
	switch {
	case len(refused) == 0:
		return nil
	case len(refused) < len(accesses) && r.call.divisible():
		return unknown("a request of which a part is allowed: %v", refused[0])
	}
	return refused[0]
}

// decide evaluates an access and tells of it.
func (p *proxy) decide(who Principal, a access) Decision {
	decision := who.Policy.Evaluate(a.action, a.resource, a.keys...)
	if p.config.Used != nil {
		p.config.Used(Use{Principal: who.Name, Action: a.action, Resource: a.resource, Keys: a.keys, Allowed: decision == Allowed})
	}
	return decision
}

// denial is what AWS says of a decision that is not Allowed.
func (p *proxy) denial(who Principal, a access, d Decision) string {
	resource := a.resource
	if p.config.Service == S3 {
		resource = `"` + resource + `"`
	}
	why := "because no identity-based policy allows the " + a.action + " action"
	if d == Denied {
		why = "with an explicit deny in an identity-based policy"
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s",
		who.arn(p.config.Account), a.action, resource, why)
}

// refuse answers a request that is not let through.
func (p *proxy) refuse(w http.ResponseWriter, r *request, err error) {
	why, ok := errors.AsType[refusal](err)
	if !ok {
		why.reason = unavailable
	}
	if !ok || why.reason == accessDenied || why.reason == notImplemented {
		p.config.Log.WarnContext(r.Context(), "request refused", "service", p.config.Service,
			"principal", r.principal.Name, "method", r.Method, "url", r.URL.Path, "error", err)
	}
	drain(r.Request)
	identify(w.Header(), p.protocol.requestIDs())
	p.protocol.refuse(w, r, why)
}

// drain reads what a caller goes on sending, lest it see its connection reset
// and not the answer. Whoever has said Expect waits for that.
func drain(r *http.Request) {
	const most = 16 << 20
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, most) // it is as well if it fails
	}
}
