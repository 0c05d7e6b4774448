package gateway

import (
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// A request is what the event says of one.
type request struct {
	event *Request
	uri   string // as net/http has it in RequestURI
	url   *url.URL
	body  io.Reader
	size  int64 // of the body
}

// read takes an event apart, and says why if it is no request.
func (q *request) read(event *Request) (reason string) {
	q.event = event
	if event.RequestContext.HTTP.Method == "" {
		return "the event has no method"
	}
	if !strings.HasPrefix(event.RawPath, "/") {
		return "the path does not begin with a slash"
	}
	q.uri = event.RawPath
	if event.RawQueryString != "" {
		q.uri += "?" + event.RawQueryString
	}
	var err error
	if q.url, err = url.ParseRequestURI(q.uri); err != nil {
		return "the URL is not valid"
	}
	switch {
	case event.Body == "":
		return ""
	case !event.IsBase64Encoded:
		q.body, q.size = strings.NewReader(event.Body), int64(len(event.Body))
		return ""
	}
	raw, err := base64.StdEncoding.DecodeString(event.Body)
	if err != nil {
		return "the body is not base64"
	}
	q.body, q.size = bytes.NewReader(raw), int64(len(raw))
	return ""
}

// envelope is the event without what restore puts back: the adapter need not
// spend time on it.
func (q *request) envelope() Request {
	return Request{
		Version:        q.event.Version,
		RouteKey:       q.event.RouteKey,
		RawPath:        "/",
		RequestContext: q.event.RequestContext,
		StageVariables: q.event.StageVariables,
	}
}

// restore makes of the adapter's request the one that net/http would have read
// from a socket.
func (q *request) restore(r *http.Request) {
	r.Method = q.event.RequestContext.HTTP.Method // the adapter has it in capitals
	r.URL, r.RequestURI = q.url, q.uri
	r.Header = header(q.event)
	r.Host = q.event.RequestContext.DomainName
	if host := r.Header["Host"]; len(host) > 0 {
		r.Host = host[0]
		delete(r.Header, "Host")
	}
	r.RemoteAddr = ""
	if ip := q.event.RequestContext.HTTP.SourceIP; ip != "" {
		r.RemoteAddr = net.JoinHostPort(ip, "0") // the port is not told
	}
	r.Body, r.GetBody, r.ContentLength = http.NoBody, nil, q.size
	if q.size > 0 {
		r.Body = io.NopCloser(q.body)
	}
}

// header is the event's. The gateway joins what came in several lines of one
// name by commas, which means the same (RFC 9110, section 5.3); to split it
// again, as the adapter does, takes dates and quoted strings apart. Cookies it
// has taken out of the header.
func header(event *Request) http.Header {
	h := make(http.Header, len(event.Headers)+2)
	values := make([]string, 0, len(event.Headers)+2) // one allocation for all
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	for name, value := range event.Headers {
		set(http.CanonicalHeaderKey(name), value)
	}
	if len(event.Cookies) > 0 {
		set("Cookie", strings.Join(event.Cookies, "; "))
	}
	if id := event.RequestContext.RequestID; id != "" && h["X-Request-Id"] == nil {
		set("X-Request-Id", id) // so that all logs call the request the same
	}
	return h
}
