package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A rig is a proxy between a client and a registry that is a function, with
// streams that end in memory.
type rig struct {
	testing.TB
	*Proxy
	url     string
	log     *lines
	browser *http.Client

	write  func([]byte) error          // what stands before each write to a stream
	finish func(context.Context) error // and before its end

	mu      sync.Mutex
	answer  http.HandlerFunc
	asked   []*http.Request
	streams []*kept
}

// A kept stream ends in memory.
type kept struct {
	*rig
	mu      sync.Mutex
	repo    string
	about   string
	size    int64
	body    []byte
	ended   oci.Digest
	aborted bool
}

func (k *kept) Write(p []byte) (int, error) {
	if err := k.rig.write(p); err != nil {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended != "" || k.aborted {
		return 0, errors.New("the stream has ended")
	}
	k.body = append(k.body, p...)
	return len(p), nil
}

func (k *kept) Finish(ctx context.Context, d oci.Digest) (transfer.Way, error) {
	if err := k.rig.finish(ctx); err != nil {
		return "", err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if got := oci.AlgorithmOf(d).Sum(k.body); got != d {
		return "", oci.ErrDigestInvalid.With(nil, "it is %s", got)
	}
	k.ended = d
	return transfer.Direct, nil
}

func (k *kept) Abort(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended != "" {
		return errors.New("a stream that has ended is aborted")
	}
	k.aborted = true
	return nil
}

func (k *kept) state() (body string, ended oci.Digest, aborted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return string(k.body), k.ended, k.aborted
}

// newRig makes one whose registry takes uploads, and knows nothing else.
func newRig(t testing.TB) *rig {
	t.Helper()
	g := &rig{TB: t, log: &lines{}, answer: knowsNothing,
		write: func([]byte) error { return nil }, finish: func(context.Context) error { return nil }}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		g.mu.Lock()
		g.asked = append(g.asked, r.Clone(context.Background()))
		answer := g.answer
		g.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(upstream.Close)
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	g.Proxy = New(Options{
		To: to, Client: &auth.Client{Client: upstream.Client(), Cache: auth.NewCache()}, Engine: transfer.New(transfer.Options{}),
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	g.Proxy.begin = func(_ context.Context, repo, about string, size int64) stream {
		k := &kept{rig: g, repo: repo, about: about, size: size}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.streams = append(g.streams, k)
		return k
	}
	front := httptest.NewServer(g.Proxy)
	t.Cleanup(func() {
		front.Close()
		if err := g.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	g.url = front.URL
	g.browser = front.Client()
	g.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return g
}

// knowsNothing is a registry that only begins uploads.
func knowsNothing(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		w.Header().Set("Location", r.URL.Path+"theirs")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

// answers has the registry answer otherwise from here on.
func (g *rig) answers(f http.HandlerFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = f
}

func (g *rig) host() string { return strings.TrimPrefix(g.url, "http://") }

// kept returns the last stream that was begun, or one that nothing was done with.
func (g *rig) kept() *kept {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.streams) == 0 {
		return new(kept)
	}
	return g.streams[len(g.streams)-1]
}

// last returns the last request that the registry got.
func (g *rig) last() *http.Request {
	g.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.asked) == 0 {
		g.Fatal("the registry was asked nothing")
	}
	return g.asked[len(g.asked)-1]
}

func (g *rig) askedTimes() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.asked)
}

// An answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code() string {
	var said errorBody
	if json.Unmarshal([]byte(a.body), &said) != nil || len(said.Errors) == 0 {
		return ""
	}
	return said.Errors[0].Code
}

// do sends a request. Header is name, value, name, value.
func (g *rig) do(method, path, body string, header ...string) answer {
	g.Helper()
	return g.send(method, path, strings.NewReader(body), header...)
}

func (g *rig) send(method, path string, body io.Reader, header ...string) answer {
	g.Helper()
	a, err := g.try(method, path, body, header...)
	if err != nil {
		g.Fatalf("%s %.200s: %v", method, path, err)
	}
	return a
}

func (g *rig) try(method, path string, body io.Reader, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(g.Context(), method, g.url+path, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := g.browser.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(raw)}, err
}

// want fails unless an answer has this status, and as an error this code.
func (g *rig) want(a answer, status int, code string) answer {
	g.Helper()
	if a.status != status || a.code() != code {
		g.Fatalf("got %d %q, want %d %s", a.status, a.body, status, code)
	}
	return a
}

// started begins an upload and returns where it goes on.
func (g *rig) started() string {
	g.Helper()
	a := g.want(g.do("POST", "/v2/team/app/blobs/uploads/", ""), http.StatusAccepted, "")
	return a.header.Get("Location")
}

func (g *rig) eventually(what string, ok func() bool) {
	g.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			g.Fatalf("not within fifteen seconds: %s", what)
		}
	}
}

// lines is a buffer that may be read while it grows.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
