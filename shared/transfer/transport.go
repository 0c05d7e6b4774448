package transfer

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"time"
)

// NewTransport returns a transport for many large bodies at once: a connection
// of HTTP/1.1 for each, since streams of HTTP/2 would share the window of one.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64, // the default of 2 would close most of them after each part
		IdleConnTimeout:       30 * time.Second,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
		DisableCompression:    true, // a blob is the bytes that were sent
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// storeClient prepares a client for requests that carry their permission in their
// URL. It follows nothing by itself: net/http would name that URL to the next
// host, as the referrer.
func storeClient(c *http.Client) *http.Client {
	own := *c
	own.Jar, own.Timeout = nil, 0
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// redirects are the statuses that send elsewhere.
var redirects = []int{
	http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
	http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
}

func isRedirect(status int) bool { return slices.Contains(redirects, status) }

// orRedirect returns these statuses and those that send elsewhere.
func orRedirect(statuses ...int) []int { return append(statuses, redirects...) }
