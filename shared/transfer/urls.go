package transfer

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// sameOrigin says whether two URLs are of one scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case strings.EqualFold(u.Scheme, "http"):
		return "80"
	}
	return "443"
}

// follow reads where an answer sends to. From TLS nothing goes on without it.
func follow(resp *http.Response, from *url.URL) (*url.URL, error) {
	location := resp.Header.Get("Location")
	to, err := from.Parse(location)
	switch {
	case location == "" || err != nil:
		return nil, fmt.Errorf("%w: status %d without a Location", errAnswer, resp.StatusCode)
	case to.Scheme != "https" && to.Scheme != "http" || to.Host == "" || to.User != nil:
		return nil, fmt.Errorf("%w: a Location that is no URL of HTTP", errAnswer)
	case from.Scheme == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("%w: a Location without TLS", errAnswer)
	}
	return to, nil
}

// withQuery adds to the query of a URL. What is there stays as it is: it may be
// signed.
func withQuery(u *url.URL, name, value string) *url.URL {
	out := *u
	if out.RawQuery != "" {
		out.RawQuery += "&"
	}
	out.RawQuery += name + "=" + url.QueryEscape(value)
	return &out
}
