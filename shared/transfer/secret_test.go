package transfer

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/oci"
)

// One login does for a whole image, and a token that is no longer good is
// exchanged in the middle.
func TestLogin(t *testing.T) {
	f := newFake(t)
	f.token = "first"
	e, r := f.client(Options{})
	p, q := randomBytes(1, 5000), randomBytes(2, 90)
	if _, err := r.Standing(t.Context(), []oci.Descriptor{describe(p), describe(q)}, nil, []string{"lib/base"}); err != nil {
		t.Fatal(err)
	}
	f.pushes(r, q, Plain)
	f.before = func(_ http.ResponseWriter, _ *http.Request, kind string) bool {
		if kind == "sign" {
			f.mu.Lock()
			f.token = "second"
			f.mu.Unlock()
		}
		return false
	}
	f.pushes(r, p, Direct)
	f.before = nil
	fetched(t, e, r, p, Direct)
	want := []string{
		"repository:lib/base:pull repository:team/app:pull,push", // to mount
		"repository:team/app:pull,push", "repository:team/app:pull,push", "repository:team/app:pull",
	}
	if got := strings.Join(f.scopes, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("logged in for\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// Where tokens come from may be out of order for a moment, too.
func TestLoginThatFails(t *testing.T) {
	for status, ok := range map[int]bool{503: true, 429: true, 404: false, 401: false} {
		f := newFake(t)
		f.token = "first"
		_, r := f.client(Options{})
		var n atomic.Int64
		f.before = func(w http.ResponseWriter, _ *http.Request, kind string) bool {
			if kind != "GET token" || n.Add(1) > 2 && ok {
				return false
			}
			w.WriteHeader(status)
			return true
		}
		p := randomBytes(1, 500)
		_, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil)
		if (err == nil) != ok || err != nil && (!strings.Contains(err.Error(), "log in at") || n.Load() > 2) {
			t.Errorf("status %d: %v after %d tries", status, err, n.Load())
		}
	}
}

// A registry that refuses to mount is asked without.
func TestStandingWithoutTheRightToMount(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	f.before = func(w http.ResponseWriter, r *http.Request, kind string) bool {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		if kind == "POST begin" && bytes.Contains(raw, []byte("lib/base")) {
			answering(http.StatusForbidden, `{"errors":[{"code":"DENIED"}]}`)(w, r)
			return true
		}
		return false
	}
	d := f.put(randomBytes(1, 500))
	s, err := r.Standing(t.Context(), []oci.Descriptor{d}, nil, []string{"lib/base"})
	if err != nil || s[d.Digest] != There {
		t.Errorf("got %v, %v", s, err)
	}
	if got := f.called("POST begin"); got != 2 {
		t.Errorf("asked %d times, want 2", got)
	}
}

// syncBuffer is a buffer that several write to.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// Nothing that gives access is in a log or an error, whatever fails.
func TestNothingSecretIsTold(t *testing.T) {
	secrets := []string{"signature=", "grant-", "state=", "user:", "Bearer", "secret", "first"}
	for _, kind := range []string{"PUT store", "GET store", "GET blob", "sign", "PUT upload", "POST plain"} {
		for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
			"refused":   answering(http.StatusServiceUnavailable, "<Error><Code>SlowDown?signature=1</Code><Message>signature=1</Message></Error>"),
			"forbidden": answering(http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>"),
			"cut":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"not found": answering(http.StatusNotFound, "signature=2"),
		} {
			f := newFake(t)
			f.token = "first"
			var log syncBuffer
			e, r := f.client(Options{})
			e.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			f.sick(kind, 1000, answer)
			var err error
			switch p := randomBytes(1, 5000); kind {
			case "GET store", "GET blob":
				d := f.put(p)
				from, _ := r.Blob(t.Context(), d)
				err = e.Fetch(t.Context(), d, from, &memorySink{t: t}, nil)
			case "POST plain":
				_, err = r.Push(t.Context(), describe(p[:90]), &memorySource{t: t, p: p[:90]}, nil)
			default:
				_, err = r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil)
			}
			if err == nil {
				t.Errorf("%s %s: no error", kind, name)
				continue
			}
			for _, s := range secrets {
				if strings.Contains(err.Error(), s) || strings.Contains(log.String(), s) {
					t.Errorf("%s %s: %q is told: %v\n%s", kind, name, s, err, log.String())
				}
			}
			var answered *errcode.ErrorResponse
			if errors.As(err, &answered) && answered.URL.RawQuery != "" {
				t.Errorf("%s %s: the error has a query", kind, name)
			}
		}
	}
}

// A registry that says one thing and a place without TLS says another.
func TestFollow(t *testing.T) {
	from := mustURL(t, "https://registry.test/v2/a/blobs/x")
	for location, want := range map[string]string{
		"https://store.test/a?b=c": "https://store.test/a?b=c", "/v2/b": "https://registry.test/v2/b", "?a=b": "https://registry.test/v2/a/blobs/x?a=b",
		"http://store.test/a": "", "": "", "ftp://store.test/a": "", "https://user:secret@store.test/": "", "https:///a": "", "http://[::1": "", "javascript:alert(1)": "",
	} {
		rec := httptest.NewRecorder()
		if location != "" {
			rec.Header().Set("Location", location)
		}
		rec.WriteHeader(http.StatusTemporaryRedirect)
		got, err := follow(rec.Result(), from)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%q leads to %v, %v, want %q", location, got, err, want)
		}
	}
}
