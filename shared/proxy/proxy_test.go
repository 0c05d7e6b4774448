package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// Whatever way a client sends a blob, and of whatever size it is, it is in the
// registry when the client is told so.
func TestBlobsOfAllSizes(t *testing.T) {
	for kind := range registries {
		t.Run(kind, func(t *testing.T) { blobsOfAllSizes(t, newPair(t, kind, 0)) })
	}
}

func blobsOfAllSizes(t *testing.T, p *pair) {
	for name, push := range map[string]func(blob []byte, d oci.Digest){
		"one stream": func(blob []byte, d oci.Digest) {
			at := p.started()
			resp := p.want(http.StatusAccepted, "PATCH", at, unsized(blob))
			if got, want := resp.Header.Get("Range"), fmt.Sprintf("0-%d", max(len(blob)-1, 0)); got != want {
				t.Errorf("range %s, want %s", got, want)
			}
			p.want(http.StatusCreated, "PUT", at+"?digest="+string(d), nil)
		},
		"one PUT": func(blob []byte, d oci.Digest) {
			p.want(http.StatusCreated, "PUT", p.started()+"?digest="+string(d), bytes.NewReader(blob))
		},
		"one POST": func(blob []byte, d oci.Digest) {
			p.want(http.StatusCreated, "POST", p.proxy+"/v2/team/app/blobs/uploads/?digest="+string(d), bytes.NewReader(blob))
		},
		"chunks": func(blob []byte, d oci.Digest) {
			at, size := p.started(), max(len(blob)/3, 1)
			for off := 0; off < len(blob); off += size {
				chunk := blob[off:min(off+size, len(blob))]
				p.want(http.StatusAccepted, "PATCH", at, bytes.NewReader(chunk), "Content-Range", fmt.Sprintf("%d-%d", off, off+len(chunk)-1))
			}
			p.want(http.StatusCreated, "PUT", at+"?digest="+string(d), nil)
		},
	} {
		for _, size := range []int{0, 1, 5 << 20, 17 << 20} {
			t.Run(fmt.Sprintf("%s of %d", name, size), func(t *testing.T) {
				blob, d := blobOf(size)
				push(blob, d)
				p.has(d, blob)
				p.want(http.StatusAccepted, "DELETE", p.registry+"/v2/team/app/blobs/"+string(d), nil)
			})
		}
	}
}

func TestWrongBlobs(t *testing.T) {
	for kind := range registries {
		t.Run(kind, func(t *testing.T) { wrongBlobs(t, newPair(t, kind, 0)) })
	}
}

func wrongBlobs(t *testing.T, p *pair) {
	for _, size := range []int{10, 20 << 20} {
		blob, d := blobOf(size)
		blob[size/2] ^= 1
		resp, raw := p.do("PUT", p.started()+"?digest="+string(d), bytes.NewReader(blob))
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(raw), "DIGEST_INVALID") {
			t.Errorf("%d bytes: got %d %s", size, resp.StatusCode, raw)
		}
		p.want(http.StatusNotFound, "HEAD", p.proxy+"/v2/team/app/blobs/"+string(d), nil)
	}
}

// A registry that fails now and then is tried again, and the client hears
// nothing of it.
func TestARegistryThatFailsNowAndThen(t *testing.T) {
	p := newPair(t, "plain", 0)
	var mu sync.Mutex
	failed := map[string]bool{}
	p.fault(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if failed[r.Method] {
			return false
		}
		failed[r.Method] = true
		if r.Method != http.MethodPatch {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
		panic(http.ErrAbortHandler) // the connection is cut within the body
	})
	blob, d := blobOf(20 << 20)
	at := p.started()
	p.want(http.StatusAccepted, "PATCH", at, unsized(blob))
	p.want(http.StatusCreated, "PUT", at+"?digest="+string(d), nil)
	p.has(d, blob)
	if !failed["POST"] || !failed["PATCH"] || !failed["PUT"] {
		t.Errorf("not all failed that should: %v", failed)
	}
}

// One that refuses is quoted, at once, to a client that is still sending.
func TestARegistryThatRefuses(t *testing.T) {
	p := newPair(t, "plain", 0)
	at := p.started()
	p.fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"the repository is full"}]}`)
		return true
	})
	resp, raw := p.do("PATCH", at, endless{})
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(string(raw), "the repository is full") {
		t.Errorf("got %d %s", resp.StatusCode, raw)
	}
	p.want(http.StatusNotFound, "GET", at, nil)
}

// One whose tokens are refused says so also to who sends a blob in one request,
// whose login is the engine's.
func TestARegistryThatLetsNobodyIn(t *testing.T) {
	p := newPair(t, "plain", 0)
	p.fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			w.Header().Set("Www-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="s"`)
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	blob, d := blobOf(10)
	resp, raw := p.do("POST", p.proxy+"/v2/team/app/blobs/uploads/?digest="+string(d), bytes.NewReader(blob))
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(string(raw), "berth login") {
		t.Errorf("got %d %s", resp.StatusCode, raw)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// What clients leave behind is gone from the registry, too.
func TestNothingIsLeftAtTheRegistry(t *testing.T) {
	for name, leave := range map[string]func(p *pair, at string){
		"abandoned": func(*pair, string) {},
		"cancelled": func(p *pair, at string) { p.want(http.StatusNoContent, "DELETE", at, nil) },
		"stopped":   func(p *pair, _ string) { p.stop() },
	} {
		for kind := range registries {
			t.Run(name+" "+kind, func(t *testing.T) {
				idle := time.Minute
				if name == "abandoned" {
					idle = 2 * time.Second
				}
				p := newPair(t, kind, idle)
				at := p.started()
				eventually(t, "what was begun to ask is cancelled", func() bool { return p.requests("DELETE") == 1 })
				blob, _ := blobOf(33 << 20)
				p.want(http.StatusAccepted, "PATCH", at, unsized(blob))
				leave(p, at)
				eventually(t, "the registry is told", func() bool { return p.requests("DELETE") == 2 })
				if direct := p.requests("DELETE direct") == 1; direct != (kind == "direct") {
					t.Errorf("that was of direct transfer: %v", direct)
				}
			})
		}
	}
}

// Many clients at once that are slow share the memory that there is: what one
// does not get it waits for.
func TestMemoryIsBounded(t *testing.T) {
	p := newPair(t, "plain", 0)
	const clients = 12
	blob, d := blobOf(20 << 20)
	go1 := make(chan struct{})
	var sent sync.WaitGroup
	var most uint64
	for range clients {
		sent.Go(func() {
			resp, raw, err := p.try("PUT", p.started()+"?digest="+string(d), &halting{blob: blob, at: 18 << 20, until: go1})
			if err != nil || resp.StatusCode != http.StatusCreated {
				t.Errorf("got %v %s", err, raw)
			}
		})
	}
	for range 20 {
		time.Sleep(50 * time.Millisecond)
		most = max(most, inUse())
	}
	close(go1)
	sent.Wait()
	p.has(d, blob)
	if limit := uint64(memory + len(blob) + 24<<20); most > limit {
		t.Errorf("%d MiB are in use, with %d MiB to send and room for %d MiB", most>>20, clients*len(blob)>>20, memory>>20)
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A halting body stops for a while.
type halting struct {
	blob  []byte
	off   int
	at    int
	until <-chan struct{}
}

func (h *halting) Read(p []byte) (int, error) {
	if h.off == len(h.blob) {
		return 0, io.EOF
	}
	end := len(h.blob)
	if h.off < h.at {
		end = h.at
	} else {
		<-h.until
	}
	n := copy(p, h.blob[h.off:end])
	h.off += n
	return n, nil
}
