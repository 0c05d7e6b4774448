package blobstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A grant is what one URL is good for.
type grant struct {
	method, key string
	header      http.Header // without the length
	size        int64
	sum         []byte // nil if only the size is bound
	expires     time.Time
	upload      string // of a part
	number      int    // of a part, else 0
	tags        map[string]string
}

// grant signs a URL, and returns the headers that go with it.
func (m *Memory) grant(what string, g grant, size int64, sum []byte, valid time.Duration) (string, http.Header, error) {
	if size < 0 || size > maxPart {
		return "", nil, fmt.Errorf("%s: no PUT has %d bytes", what, size)
	}
	if sum != nil && len(sum) != sha256.Size {
		return "", nil, fmt.Errorf("%s: a SHA-256 has no %d bytes", what, len(sum))
	}
	g.size, g.sum, g.header = size, bytes.Clone(sum), http.Header{}
	if sum != nil {
		g.header.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum))
	}
	if g.number == 0 {
		g.header.Set("If-None-Match", "*")
	}
	for name, value := range g.tags {
		g.header.Set("X-Amz-Tagging", name+"="+value)
	}
	sent := g.header.Clone()
	sent.Set("Content-Length", strconv.FormatInt(size, 10))
	return m.sign(g, valid), sent, nil
}

// sign returns the URL of a grant. What it is good for is kept here; a client
// sees a number.
func (m *Memory) sign(g grant, valid time.Duration) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	g.expires = m.o.Now().Add(valid)
	id := m.newID("grant")
	m.grants[id] = g
	return m.o.Base + "/" + g.key + "?signature=" + id
}

// ReadURL implements blobs.Locator.
func (m *Memory) ReadURL(_ context.Context, key, method string, valid time.Duration) (string, error) {
	if method != http.MethodGet && method != http.MethodHead {
		return "", fmt.Errorf("sign read url: method %q is neither GET nor HEAD", method)
	}
	return m.sign(grant{method: method, key: key}, valid), nil
}

// A Refusal is the answer to a request that has failed.
type Refusal struct {
	Status int
	Code   string // one of S3's
}

func (r *Refusal) Error() string { return fmt.Sprintf("%d %s", r.Status, r.Code) }

var (
	errForbidden = &Refusal{http.StatusForbidden, "SignatureDoesNotMatch"}
	errExpired   = &Refusal{http.StatusForbidden, "AccessDenied"}
	errBadDigest = &Refusal{http.StatusBadRequest, "BadDigest"}
	errThere     = &Refusal{http.StatusPreconditionFailed, "PreconditionFailed"}
	errNoUpload  = &Refusal{http.StatusNotFound, "NoSuchUpload"}
	errNoKey     = &Refusal{http.StatusNotFound, "NoSuchKey"}
)

// Send is the PUT of a client. Its error is a *Refusal.
func (m *Memory) Send(url string, header http.Header, body []byte) error {
	g, err := m.check(http.MethodPut, url, header, int64(len(body)))
	if err != nil {
		return err
	}
	p := filled(bytes.Clone(body))
	if g.sum != nil && !bytes.Equal(g.sum, p.sum[:]) {
		return errBadDigest
	}
	return m.take(g, p)
}

// SendHollow is Send of the bytes that the URL was signed for, without them:
// the store has them down as so many zeros with that checksum. So much for a
// blob of 50 GB in a millisecond.
func (m *Memory) SendHollow(url string, header http.Header) error {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		return errForbidden
	}
	g, err := m.check(http.MethodPut, url, header, length)
	if err != nil {
		return err
	}
	p := piece{size: g.size, hollow: true}
	copy(p.sum[:], g.sum)
	return m.take(g, p)
}

// check holds a request to what its URL is good for.
func (m *Memory) check(method, rawURL string, header http.Header, length int64) (grant, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return grant{}, errForbidden
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.grants[u.Query().Get("signature")]
	if !ok || g.method != method || !strings.HasSuffix(u.Path, "/"+g.key) || g.size != length {
		return grant{}, errForbidden
	}
	for name, want := range g.header {
		if got := header[name]; len(got) != 1 || got[0] != want[0] {
			return grant{}, errForbidden
		}
	}
	if !m.o.Now().Before(g.expires) {
		return grant{}, errExpired
	}
	return g, nil
}

// take stores what has come.
func (m *Memory) take(g grant, p piece) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g.number > 0 {
		up, err := m.upload(g.key, g.upload)
		if err != nil {
			return errNoUpload
		}
		up.parts[g.number] = p
		return nil
	}
	if _, ok := m.objects[g.key]; ok {
		return errThere
	}
	m.objects[g.key] = &object{content: contentOf(p), sum: g.sum, of: "send", made: m.o.Now(), tags: maps.Clone(g.tags)}
	return nil
}

// ServeHTTP implements http.Handler, for clients that have nothing but a URL.
func (m *Memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.Method {
	case http.MethodPut:
		err = m.servePut(r)
	default:
		err = m.serveObject(w, r)
	}
	var refused *Refusal
	if errors.As(err, &refused) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(refused.Status)
		fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", refused.Code)
	}
}

func (m *Memory) servePut(r *http.Request) error {
	// Before anything is read: what is too long is not taken in.
	if _, err := m.check(r.Method, r.URL.String(), r.Header, r.ContentLength); err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return &Refusal{http.StatusBadRequest, "IncompleteBody"}
	}
	return m.Send(r.URL.String(), r.Header, body)
}

// serveObject answers a GET or a HEAD, ranges too.
func (m *Memory) serveObject(w http.ResponseWriter, r *http.Request) error {
	g, err := m.check(r.Method, r.URL.String(), r.Header, 0)
	if err != nil {
		return err
	}
	o, err := m.object(r.Context(), g.key)
	if err != nil {
		return errNoKey
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, o.content.open(r.Context()))
	return nil
}
