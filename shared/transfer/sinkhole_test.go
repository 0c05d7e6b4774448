package transfer

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/direct"
)

// A sinkhole is a registry and a store that takes everything and keeps nothing, and
// gives zeros: in a process of its own, so that what is measured here is the
// client.
type sinkhole struct{ base string }

func (s *sinkhole) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/store"):
		if r.Method == http.MethodGet {
			var from, to int64
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", from, to))
			w.Header().Set("Content-Length", strconv.FormatInt(to-from+1, 10))
			w.WriteHeader(http.StatusPartialContent)
			zeros := make([]byte, 1<<20)
			for left := to - from + 1; left > 0; left -= int64(len(zeros)) {
				_, _ = w.Write(zeros[:min(left, int64(len(zeros)))])
			}
			return
		}
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r.Body}, make([]byte, 256<<10))
	case strings.HasSuffix(r.URL.Path, "/parts"):
		var asked direct.Sign
		_ = json.NewDecoder(r.Body).Decode(&asked)
		out := direct.Signed{}
		for _, p := range asked.Parts {
			out.Parts = append(out.Parts, direct.Target{Number: p.Number, URL: s.base + "/store"})
		}
		_ = json.NewEncoder(w).Encode(out)
	case r.Method == http.MethodPost:
		var asked direct.Begin
		_ = json.NewDecoder(r.Body).Decode(&asked)
		out := direct.Begun{Manifests: []direct.Manifest{}}
		for _, b := range asked.Blobs {
			out.Blobs = append(out.Blobs, direct.Blob{Digest: b.Digest, Size: b.Size, State: direct.Upload, Upload: &direct.Status{ID: "a", State: direct.Open, PartSize: 16 << 20}})
		}
		_ = json.NewEncoder(w).Encode(out)
	case r.Method == http.MethodGet:
		w.Header().Set("Location", s.base+"/store")
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}

// TestMain is a sinkhole where it is told to be one.
func TestMain(m *testing.M) {
	if os.Getenv("BERTH_TEST_SINKHOLE") == "" {
		os.Exit(m.Run())
	}
	s := &sinkhole{}
	ready := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-ready; s.ServeHTTP(w, r) }))
	s.base = strings.Replace(web.URL, "127.0.0.1", "localhost", 1)
	close(ready)
	fmt.Println(web.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
}

func startSinkhole(b testing.TB) string {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), "BERTH_TEST_SINKHOLE=1")
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	var url string
	if _, err := fmt.Fscanln(stdout, &url); err != nil {
		b.Fatal(err)
	}
	return url
}

// A void is a Sink that keeps nothing.
type void struct{}

func (void) Prefix() (io.ReadCloser, int64, error) { return nil, 0, nil }
func (void) Write(p []byte) (int, error)           { return len(p), nil }
func (void) Reset() error                          { return nil }
func (void) Commit() error                         { return nil }
func (void) Close() error                          { return nil }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
