package wire

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// While an environment is frozen its connections die: the service closes those
// that are idle, and what lies between forgets them. What is thawed does not
// know. So that this costs a request no more than a moment,
//
//   - what was idle for longer than idle is not used again; net/http looks at
//     the wall clock for that, which does not stop in the ice;
//   - who finds one connection dead forgets the other idle ones, which are as
//     old, so that the retry dials (see transport.Do);
//   - bytes that nobody acknowledges for silence end the connection, where the
//     kernel would go on for a quarter of an hour (see endWhenSilent).
const (
	dial      = 2 * time.Second // also for the TLS handshake
	idle      = 20 * time.Second
	silence   = 4 * time.Second
	idleConns = 8 // per host; net/http's 2 are fewer than an upload has under way
)

// How long a service may think before the first byte of its answer. DynamoDB
// answers in milliseconds, and so does Lambda to whoever leaves it an event.
const (
	tableAnswer  = 4 * time.Second
	queueAnswer  = 4 * time.Second
	bucketAnswer = 6 * time.Second
)

// A transport is what a client of the SDK sends its requests by. It follows no
// redirect: a signature holds for one address.
type transport struct{ http.Transport }

func newTransport(answer time.Duration) *transport {
	dialer := &net.Dialer{Timeout: dial, Control: endWhenSilent}
	return &transport{http.Transport{
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
		TLSHandshakeTimeout:   dial,
		ResponseHeaderTimeout: answer,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       idle,
		MaxIdleConns:          0, // MaxIdleConnsPerHost is enough, there is one host
		MaxIdleConnsPerHost:   idleConns,
	}}
}

// Do sends a request. After a failure no other idle connection is trusted.
func (t *transport) Do(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTrip(r)
	if err != nil {
		t.CloseIdleConnections()
	}
	return resp, err
}

// unhurried gives S3 all the time that a request has where it copies an object,
// or puts one together of its parts. It is said to begin the answer early and to
// end it late; what is copied again because it did not is copied in vain.
type unhurried struct{ usual, patient *transport }

// Do sends a request.
func (u unhurried) Do(r *http.Request) (*http.Response, error) {
	copies := r.Header.Get("X-Amz-Copy-Source") != ""
	joins := r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
	if copies || joins {
		return u.patient.Do(r)
	}
	return u.usual.Do(r)
}
