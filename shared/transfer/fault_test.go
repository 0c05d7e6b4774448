package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/shared/oci"
)

// A cutter makes connections that break after some bytes, either way.
type cutter struct {
	mu   sync.Mutex
	rand *rand.Rand
	most int // bytes of one connection
	cuts int
}

func (c *cutter) transport(t testing.TB) *http.Transport {
	tr := NewTransport()
	dialer := &net.Dialer{}
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return &cutConn{Conn: conn, c: c, left: c.rand.IntN(c.most)}, nil
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

type cutConn struct {
	net.Conn
	c    *cutter
	mu   sync.Mutex
	left int
}

// spend returns how many of n bytes still get through.
func (c *cutConn) spend(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.left)
	c.left -= n
	return n
}

func (c *cutConn) cut() error {
	c.c.mu.Lock()
	c.c.cuts++
	c.c.mu.Unlock()
	_ = c.Close()
	return &net.OpError{Op: "cut", Net: "tcp", Err: syscall.ECONNRESET}
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if through := c.spend(n); through < n {
		return through, c.cut()
	}
	return n, err
}

func (c *cutConn) Write(p []byte) (int, error) {
	if through := c.spend(len(p)); through < len(p) {
		n, _ := c.Conn.Write(p[:through])
		return n, c.cut()
	}
	return c.Conn.Write(p)
}

// cutClient is a client of the fake all whose connections break.
func (f *fake) cutClient(seed uint64, most int) (*Engine, *Repository, *cutter) {
	f.Helper()
	c := &cutter{rand: rand.New(rand.NewPCG(seed, 0)), most: most}
	e, _ := f.client(Options{Store: &http.Client{Transport: c.transport(f)}})
	repo, err := remote.NewRepository(strings.TrimPrefix(f.url, "http://") + "/team/app")
	if err != nil {
		f.Fatal(err)
	}
	repo.PlainHTTP = true
	repo.Client = &http.Client{Transport: c.transport(f)}
	return e, e.Open(repo, repo.Reference.Registry+"/team/app:1"), c
}

func TestPushAndFetchOverCutConnections(t *testing.T) {
	f := newFake(t)
	cuts := 0
	for seed := range uint64(20) {
		e, r, c := f.cutClient(seed, 12_000)
		p := randomBytes(seed, 15_000)
		d, w := describe(p), newCounter()
		if _, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, w); err != nil {
			t.Fatalf("seed %d: push: %v", seed, err)
		}
		if w.ways[d.Digest] == Direct {
			w.is(t, d, Direct)
		}
		if !f.isThere(p) {
			t.Fatalf("seed %d: the blob is not there", seed)
		}
		fetched(t, e, r, p, Direct)
		balanced(t, e)
		cuts += c.cuts
	}
	if cuts < 40 {
		t.Errorf("connections were cut %d times: that shows nothing", cuts)
	}
	if marked := f.memory.Marked(); len(marked) > 0 {
		t.Errorf("marked as unverified: %q", marked)
	}
}

func TestStreamOverCutConnections(t *testing.T) {
	f := newFake(t)
	for seed := range uint64(10) {
		e, r, _ := f.cutClient(seed, 12_000)
		p := randomBytes(100+seed, 15_000)
		s := r.NewStream(t.Context(), -1)
		if _, err := s.Write(p); err != nil {
			t.Fatalf("seed %d: write: %v", seed, err)
		}
		if _, err := s.Finish(t.Context(), describe(p).Digest); err != nil {
			t.Fatalf("seed %d: finish: %v", seed, err)
		}
		if !f.isThere(p) {
			t.Fatalf("seed %d: the blob is not there", seed)
		}
		balanced(t, e)
	}
}

func TestPlainOverCutConnections(t *testing.T) {
	url := serveBerth(t, nil)
	for seed := range uint64(10) {
		c := &cutter{rand: rand.New(rand.NewPCG(seed, 1)), most: 400_000}
		e := newEngine(t, Options{})
		e.sizes.small, e.sizes.remote = 1000, 50_000
		r := open(t, e, url, "team/app")
		r.client = &http.Client{Transport: c.transport(t)}
		p := randomBytes(200+seed, 900_000)
		d, w := describe(p), newCounter()
		if _, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, w); err != nil {
			t.Fatalf("seed %d: push: %v", seed, err)
		}
		w.is(t, d, Plain)
		fetched(t, e, r, p, Plain)
		balanced(t, e)
	}
}

// sick answers some requests badly: each kind so many times.
func (f *fake) sick(kind string, times int64, answer func(w http.ResponseWriter, r *http.Request)) *atomic.Int64 {
	var n atomic.Int64
	f.before = func(w http.ResponseWriter, r *http.Request, k string) bool {
		if k != kind || n.Add(1) > times {
			return false
		}
		answer(w, r)
		return true
	}
	return &n
}

func answering(status int, body string, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestPassingRefusalsAreTriedAgain(t *testing.T) {
	for kind, answers := range map[string][]func(http.ResponseWriter, *http.Request){
		"PUT store": {
			answering(503, "<Error><Code>SlowDown</Code></Error>"), answering(500, ""), answering(429, ""), answering(408, ""),
			answering(400, "<Error><Code>RequestTimeout</Code></Error>"), answering(409, "<Error><Code>ConditionalRequestConflict</Code></Error>"),
			answering(400, "<Error><Code>BadDigest</Code></Error>"),
			answering(403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
		},
		"sign":       {answering(503, ""), answering(429, `{"errors":[{"code":"TOOMANYREQUESTS"}]}`)},
		"POST begin": {answering(503, ""), answering(504, "")},
		"PUT upload": {answering(503, ""), answering(500, "")},
	} {
		for i, answer := range answers {
			f := newFake(t)
			e, r := f.client(Options{})
			e.learn(r.base.Host, true)
			f.sick(kind, 3, answer)
			f.pushes(r, randomBytes(uint64(i), 900), Direct)
			f.sick(kind, 3, answer)
			f.pushes(r, randomBytes(uint64(i), 5000), Direct)
			balanced(t, e)
		}
	}
}

func TestRefusalsThatStayAreNotTriedForever(t *testing.T) {
	for _, c := range []struct {
		kind  string
		f     func(http.ResponseWriter, *http.Request)
		most  int
		tells string
	}{
		{"PUT store", answering(503, "<Error><Code>SlowDown</Code></Error>"), tries, "503 SlowDown"},
		{"PUT store", answering(403, "<Error><Code>AccessDenied</Code></Error>"), renewals + 1, "403 AccessDenied"},
		{"PUT store", answering(501, "<Error><Code>NotImplemented</Code></Error>"), 1, "NotImplemented"},
		{"sign", answering(500, ""), tries, "500"},
		{"sign", answering(403, `{"errors":[{"code":"DENIED","message":"no"}]}`), 1, "denied: no"},
		{"PUT upload", answering(403, `{"errors":[{"code":"DENIED","message":"no"}]}`), 1, "denied: no"},
	} {
		f := newFake(t)
		e, r := f.client(Options{})
		f.sick(c.kind, 1000, c.f)
		p := randomBytes(1, 1500)
		_, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil)
		if err == nil || !strings.Contains(err.Error(), c.tells) {
			t.Errorf("%s: got %v, want it to tell %q", c.kind, err, c.tells)
		}
		if got := f.called(c.kind); got > 2*c.most { // there are two parts
			t.Errorf("%s: tried %d times, want %d", c.kind, got, c.most)
		}
		balanced(t, e)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	f.sick("PUT store", 1, answering(503, "", "Retry-After", "1"))
	start := time.Now()
	f.pushes(r, randomBytes(1, 900), Direct)
	if took := time.Since(start); took < time.Second {
		t.Errorf("it took %v, and a second was asked for", took)
	}
}

func TestBackoff(t *testing.T) {
	for n := 1; n < 100; n++ {
		d := usualPace.backoff(n, errShort)
		most := usualPace.longest
		if n < 8 {
			most = min(most, usualPace.first<<(n-1))
		}
		if d < most/2 || d > most {
			t.Errorf("try %d: %v, want %v to %v", n, d, most/2, most)
		}
	}
}

func TestExpiredURLsAreAskedForAnew(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	f.valid = -time.Second
	f.before = func(_ http.ResponseWriter, _ *http.Request, kind string) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.calls["PUT store"] > 1 || f.calls["GET store"] > 1 {
			f.valid = time.Hour
		}
		return false
	}
	for _, size := range []int{900, 5000} {
		f.valid = -time.Second
		p := randomBytes(1, size)
		f.pushes(r, p, Direct)
		f.called("PUT store")
		f.called("GET blob")
		fetched(t, r.engine, r, p, Direct)
		f.valid = -time.Second
	}
}

// Where a connection stands still, another is tried.
func TestStalls(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	e, r := f.client(Options{})
	e.pace.stall, e.pace.patience = 100*time.Millisecond, 100*time.Millisecond
	stall := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	p := randomBytes(2, 5000)
	f.sick("PUT store", 2, stall)
	f.pushes(r, p, Direct)
	f.sick("GET store", 2, func(w http.ResponseWriter, r *http.Request) {
		var from, to int64
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/5000", from, to))
		w.WriteHeader(http.StatusPartialContent)
		w.(http.Flusher).Flush()
		stall(w, r)
	})
	f.valid = time.Hour
	done := make(chan struct{})
	go func() { defer close(done); fetched(t, e, r, p, Direct) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it stands still")
	}
	balanced(t, e)
}

// What stands still for good ends, and says why.
func TestStallsThatStay(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	e.pace.stall, e.pace.patience = 20*time.Millisecond, 20*time.Millisecond
	f.sick("PUT store", 1000, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	p := randomBytes(2, 900)
	if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); !errors.Is(err, errStalled) {
		t.Errorf("got %v, want that it stands still", err)
	}
	balanced(t, e)
}

// When all bytes have gone the answer may take longer than bytes may.
func TestAnswersMayTakeTheirTime(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	e.pace.stall = 100 * time.Millisecond
	f.before = func(http.ResponseWriter, *http.Request, string) bool {
		time.Sleep(250 * time.Millisecond)
		return false
	}
	f.pushes(r, randomBytes(2, 900), Direct)
	if got := f.called("PUT store"); got != 1 {
		t.Errorf("the part was sent %d times, want once", got)
	}
	balanced(t, e)
}

// A blob of one part that has arrived, of which that was not said, is there.
func TestAnswersOfTheStoreThatAreLost(t *testing.T) {
	for _, size := range []int{900, 2500} {
		f := newFake(t)
		_, r := f.client(Options{})
		f.sick("PUT store", 2, func(_ http.ResponseWriter, r *http.Request) {
			f.memory.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		})
		f.pushes(r, randomBytes(3, size), Direct)
	}
}

func TestCancelIsPrompt(t *testing.T) {
	f := newFake(t)
	p := randomBytes(3, 5000)
	d := f.put(p)
	for _, kind := range []string{"POST begin", "sign", "PUT store", "PUT upload", "GET blob", "GET store", "POST plain"} {
		e, r := f.client(Options{})
		e.pace.first, e.pace.longest = time.Hour, time.Hour // a wait between tries must end, too
		ctx, cancel := context.WithCancel(t.Context())
		var reached sync.Once
		f.before = func(w http.ResponseWriter, r *http.Request, k string) bool {
			if k != kind {
				return false
			}
			reached.Do(func() { time.AfterFunc(20*time.Millisecond, cancel) })
			if strings.HasSuffix(kind, "store") {
				w.WriteHeader(http.StatusServiceUnavailable)
			} else {
				_, _ = io.Copy(io.Discard, r.Body) // without that net/http does not see that the client has gone
				<-r.Context().Done()
			}
			return true
		}
		start := time.Now()
		var err error
		switch kind {
		case "GET blob", "GET store":
			from, _ := r.Blob(ctx, d)
			err = e.Fetch(ctx, d, from, &memorySink{t: t}, nil)
			_ = from.Close()
		case "POST plain":
			q := randomBytes(4, 50)
			_, err = r.Push(ctx, describe(q), &memorySource{t: t, p: q}, nil)
		default:
			q := randomBytes(5, 5000)
			_, err = r.Push(ctx, describe(q), &memorySource{t: t, p: q}, nil)
		}
		if took := time.Since(start); !errors.Is(err, context.Canceled) || took > 2*time.Second {
			t.Errorf("%s: %v after %v, want a prompt end", kind, err, took)
		}
		balanced(t, e)
		cancel()
	}
}

// What a source cannot read is not asked for again and again.
func TestSourceThatFails(t *testing.T) {
	f := newFake(t)
	plain := serveBerth(t, nil)
	for _, size := range []int{50, 500, 5000} {
		e, r := f.client(Options{})
		p := randomBytes(6, size)
		d := describe(p)
		other := open(t, e, plain, "team/app")
		for _, to := range []*Repository{r, other} {
			from := &memorySource{t: t, p: p[:size-10]} // it became shorter
			_, err := to.Push(t.Context(), d, from, nil)
			if !errors.Is(err, io.ErrUnexpectedEOF) || from.read > int64(size) {
				t.Errorf("%d bytes: %v, after %d were read", size, err, from.read)
			}
			balanced(t, e)
		}
	}
}

func TestWorthAgain(t *testing.T) {
	for err, want := range map[error]bool{
		&unanswered{&net.DNSError{IsNotFound: true}}:                         false,
		&unanswered{&net.DNSError{IsTimeout: true}}:                          true,
		&unanswered{fmt.Errorf("dial: %w", syscall.ECONNREFUSED)}:            true,
		&unanswered{errors.New("unsupported protocol scheme \"ftp\"")}:       false,
		fmt.Errorf("read: %w", errShort):                                     true,
		oci.ErrDigestInvalid:                                                 false,
		&final{errShort}:                                                     false,
		fmt.Errorf("sign: %w", &final{&refusal{err: errShort, status: 503}}): false,
		&refusal{err: errShort, status: 503}:                                 true,
		&refusal{err: errShort, status: 404}:                                 false,
	} {
		if got := worthAgain(t.Context(), err); got != want {
			t.Errorf("%T %v: %v, want %v", err, err, got, want)
		}
	}
}
