package blobstest

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

// RunLocator holds a store that gives URLs to what blobs.Locator promises.
// The URLs must be reachable from the test.
func RunLocator(t *testing.T, open func(testing.TB) blobs.Store) {
	rules := []rule{
		{"a read URL serves the object", readURL},
		{"a read URL serves a part", readURLRange},
		{"a read URL expires", readURLExpires},
		{"a read URL is for one method and key", readURLMethod},
		{"a write URL makes the object", writeURL},
		{"a write URL expires", writeURLExpires},
		{"a write URL is for one method and key", writeURLMethod},
		{"a write URL binds the checksum", writeURLChecksum},
		{"a write URL binds the size", writeURLSize},
		{"a write URL needs its headers", writeURLHeaders},
		{"a write URL does not replace", writeURLTwice},
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.hold(t, open(t)) })
	}
}

// ample is longer than any rule takes.
const ample = time.Minute

func locator(t *testing.T, store blobs.Store) blobs.Locator {
	t.Helper()
	l, ok := store.(blobs.Locator)
	if !ok {
		t.Fatalf("%T is not a Locator", store)
	}
	return l
}

func readAt(t *testing.T, store blobs.Store, key, method string, valid time.Duration) string {
	t.Helper()
	url, err := locator(t, store).ReadURL(t.Context(), key, method, valid)
	if err != nil {
		t.Fatalf("read url: %v", err)
	}
	return url
}

// send makes a request with no more headers than are given.
func send(t *testing.T, method, url string, header http.Header, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		if name != "Host" && name != "Content-Length" { // net/http sets these
			req.Header[name] = values
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: read body: %v", method, err)
	}
	return resp, got
}

func wantRefused(t *testing.T, resp *http.Response) {
	t.Helper()
	if resp.StatusCode < 400 || resp.StatusCode > 499 {
		t.Fatalf("%s: got status %s, want a refusal", resp.Request.Method, resp.Status)
	}
}

func readURL(t *testing.T, store blobs.Store) {
	for _, size := range []int{0, 1, part + 1} {
		key, body := newKey(), Bytes(1, size)
		put(t, store, key, body)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp, got := send(t, method, readAt(t, store, key, method, ample), nil, nil)
			if resp.StatusCode != http.StatusOK || resp.ContentLength != int64(size) {
				t.Fatalf("%s: got %s, %d bytes, want 200, %d bytes", method, resp.Status, resp.ContentLength, size)
			}
			if got, want := resp.Header.Get("Content-Type"), "application/octet-stream"; got != want {
				t.Errorf("%s: got content type %q, want %q", method, got, want)
			}
			if method == http.MethodGet && !bytes.Equal(got, body) {
				t.Errorf("GET: got other bytes")
			}
		}
	}
}

func readURLRange(t *testing.T, store blobs.Store) {
	key, body := newKey(), Bytes(1, 1000)
	put(t, store, key, body)
	url := readAt(t, store, key, http.MethodGet, ample)
	resp, got := send(t, http.MethodGet, url, http.Header{"Range": {"bytes=10-19"}}, nil)
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(got, body[10:20]) {
		t.Fatalf("got %s, %d bytes, want 206 and 10 bytes", resp.Status, len(got))
	}
}

// expire waits until a URL that was made for a second is over. Services count
// whole seconds.
func expire() { time.Sleep(2100 * time.Millisecond) }

func readURLExpires(t *testing.T, store blobs.Store) {
	key := newKey()
	put(t, store, key, []byte("abc"))
	url := readAt(t, store, key, http.MethodGet, time.Second)
	expire()
	resp, _ := send(t, http.MethodGet, url, nil, nil)
	wantRefused(t, resp)
}

func readURLMethod(t *testing.T, store blobs.Store) {
	key, other := newKey(), newKey()
	put(t, store, key, []byte("abc"))
	put(t, store, other, []byte("abc"))
	url := readAt(t, store, key, http.MethodGet, ample)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPost} {
		resp, _ := send(t, method, url, nil, []byte("xyz"))
		wantRefused(t, resp)
	}
	resp, _ := send(t, http.MethodGet, strings.Replace(url, key, other, 1), nil, nil)
	wantRefused(t, resp)
	wantObject(t, store, key, []byte("abc"))
}

// A written is a URL and the headers that must go with it.
type written struct {
	url    string
	header http.Header
}

func writeAt(t *testing.T, store blobs.Store, key string, body []byte, bound bool, valid time.Duration) written {
	t.Helper()
	var sum []byte
	if bound {
		whole := sha256.Sum256(body)
		sum = whole[:]
	}
	url, header, err := locator(t, store).WriteURL(t.Context(), key, int64(len(body)), sum, valid)
	if err != nil {
		t.Fatalf("write url: %v", err)
	}
	return written{url, header}
}

func (w written) put(t *testing.T, body []byte) *http.Response {
	t.Helper()
	resp, _ := send(t, http.MethodPut, w.url, w.header, body)
	return resp
}

func writeURL(t *testing.T, store blobs.Store) {
	for _, bound := range []bool{true, false} {
		for _, size := range []int{0, 1, part + 1} {
			key, body := newKey(), Bytes(1, size)
			at := writeAt(t, store, key, body, bound, ample)
			wantAbsent(t, store, key, int64(size))
			if resp := at.put(t, body); resp.StatusCode/100 != 2 {
				t.Fatalf("PUT of %d bytes, bound %t: got %s", size, bound, resp.Status)
			}
			wantObject(t, store, key, body)
		}
	}
}

func writeURLExpires(t *testing.T, store blobs.Store) {
	key, body := newKey(), []byte("abc")
	at := writeAt(t, store, key, body, true, time.Second)
	expire()
	wantRefused(t, at.put(t, body))
	wantAbsent(t, store, key, 3)
}

func writeURLMethod(t *testing.T, store blobs.Store) {
	key, other, body := newKey(), newKey(), []byte("abc")
	put(t, store, key, body)
	at := writeAt(t, store, key, body, true, ample)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		resp, _ := send(t, method, at.url, at.header, nil)
		wantRefused(t, resp)
	}
	at.url = strings.Replace(at.url, key, other, 1)
	wantRefused(t, at.put(t, body))
	wantAbsent(t, store, other, 3)
	wantObject(t, store, key, body)
}

func writeURLChecksum(t *testing.T, store blobs.Store) {
	key, body, forged := newKey(), []byte("abc"), []byte("abd")
	at := writeAt(t, store, key, body, true, ample)
	wantRefused(t, at.put(t, forged))
	// Nor does it help to send the checksum of the forgery.
	sent := at.header
	at.header = writeAt(t, store, key, forged, true, ample).header
	wantRefused(t, at.put(t, forged))
	wantAbsent(t, store, key, 3)
	at.header = sent
	at.put(t, body)
	wantObject(t, store, key, body)
}

func writeURLSize(t *testing.T, store blobs.Store) {
	for _, bound := range []bool{true, false} {
		key := newKey()
		at := writeAt(t, store, key, []byte("abc"), bound, ample)
		for _, body := range []string{"", "ab", "abcd"} {
			wantRefused(t, at.put(t, []byte(body)))
			wantAbsent(t, store, key, int64(len(body)))
		}
	}
}

func writeURLHeaders(t *testing.T, store blobs.Store) {
	key, body := newKey(), []byte("abc")
	at := writeAt(t, store, key, body, true, ample)
	at.header = nil
	wantRefused(t, at.put(t, body))
	wantAbsent(t, store, key, 3)
}

func writeURLTwice(t *testing.T, store blobs.Store) {
	key, body := newKey(), []byte("abc")
	at := writeAt(t, store, key, body, false, ample)
	at.put(t, body)
	wantRefused(t, at.put(t, []byte("xyz")))
	wantObject(t, store, key, body)
}
