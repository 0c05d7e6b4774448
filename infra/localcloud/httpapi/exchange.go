package httpapi

import (
	"encoding/base64"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// An exchange is what events and the access log tell of one request and its
// answer.
type exchange struct {
	id           string
	start        time.Time
	domainName   string
	domainPrefix string
	sourceIP     string
	userAgent    string
	method       string
	path         string // as functions see it
	protocol     string
	routeKey     string // empty: no route matched

	status       int
	length       int
	errorMessage string // of the gateway's own refusal

	integrationStatus  int    // Lambda's; 0 if it was not asked or did not answer
	functionStatus     int    // that the function returned
	integrationError   string // why there is no answer of the function
	integrationLatency time.Duration
}

func newExchange(r *http.Request) *exchange {
	domain := hostOnly(r.Host)
	prefix, _, _ := strings.Cut(domain, ".")
	path, _, _ := strings.Cut(r.RequestURI, "?") // until more is known
	return &exchange{
		id:           newRequestID(),
		start:        time.Now(),
		domainName:   domain,
		domainPrefix: prefix,
		sourceIP:     hostOnly(r.RemoteAddr),
		userAgent:    r.UserAgent(),
		method:       r.Method,
		path:         path,
		protocol:     r.Proto,
	}
}

// newRequestID returns an id that looks like API Gateway's. It is no secret, so
// that a fast source of randomness will do.
func newRequestID() string {
	var raw [11]byte
	fill(raw[:])
	return base64.StdEncoding.EncodeToString(raw[:])
}

func fill(raw []byte) {
	for len(raw) > 0 {
		n := rand.Uint64()
		for i := 0; i < 8 && len(raw) > 0; i++ {
			raw[0], raw, n = byte(n), raw[1:], n>>8
		}
	}
}

// hostOnly returns an address without its port, if it has one.
func hostOnly(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
