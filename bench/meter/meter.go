// Package meter stands before a registry, passes on what that is asked, and
// counts it.
package meter

import (
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
)

// A Kind is what a request is about.
type Kind string

// The kinds. Those that write count as well.
const (
	Referrers Kind = "referrers"
	Manifests Kind = "manifests"
	Blobs     Kind = "blobs"
	Tags      Kind = "tags"
	Others    Kind = "others" // whether the registry is there, logins
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Referrers, Manifests, Blobs, Tags, Others} }

// kindOf tells by the path of a request. The names of repositories here have no
// part that is called like one of these.
func kindOf(path string) Kind {
	for _, k := range []Kind{Referrers, Manifests, Blobs, Tags} {
		if strings.Contains(path, "/"+string(k)+"/") {
			return k
		}
	}
	return Others
}

// A Count is what passed.
type Count struct {
	Requests map[Kind]int
	Bytes    int64 // both ways, with the heads of requests and answers
}

// All is how many requests there were.
func (c Count) All() int {
	all := 0
	for _, n := range c.Requests {
		all += n
	}
	return all
}

// Plus is both together.
func (c Count) Plus(d Count) Count {
	sum := Count{Requests: map[Kind]int{}, Bytes: c.Bytes + d.Bytes}
	for _, k := range Kinds() {
		sum.Requests[k] = c.Requests[k] + d.Requests[k]
	}
	return sum
}

// A Meter counts until it is closed.
type Meter struct {
	server *httptest.Server

	mu    sync.Mutex
	count Count
}

// Before starts a meter before the server at an address, as host and port.
func Before(host string) *Meter {
	m := &Meter{count: Count{Requests: map[Kind]int{}}}
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	pass.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	m.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.request(kindOf(r.URL.Path))
		pass.ServeHTTP(w, r)
	}))
	m.server.Listener = &listener{m.server.Listener, m}
	m.server.Start()
	return m
}

// Addr is where it listens, as host and port.
func (m *Meter) Addr() string { return m.server.Listener.Addr().String() }

// Close ends it.
func (m *Meter) Close() { m.server.Close() }

// Reset begins to count anew and returns what has passed until then.
func (m *Meter) Reset() Count {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Count{Requests: maps.Clone(m.count.Requests), Bytes: m.count.Bytes}
	clear(m.count.Requests)
	m.count.Bytes = 0
	return c
}

func (m *Meter) request(k Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count.Requests[k]++
}

func (m *Meter) bytes(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count.Bytes += int64(n)
}

// A listener takes connections whose bytes count.
type listener struct {
	net.Listener
	meter *Meter
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &metered{conn, l.meter}, nil
}

type metered struct {
	net.Conn
	meter *Meter
}

// Read implements net.Conn.
func (c *metered) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.meter.bytes(n)
	return n, err
}

// Write implements net.Conn.
func (c *metered) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.meter.bytes(n)
	return n, err
}
