package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// send makes a request, follows it to its answer and reads the body.
func send(t *testing.T, method, target string, body []byte, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("make a request: %v", err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read the body: %v", method, target, err)
	}
	return resp, got
}

// location returns where an answer sends us, as an absolute URL.
func location(t *testing.T, resp *http.Response) string {
	t.Helper()
	u, err := resp.Location()
	if err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return u.String()
}

// withDigest closes an upload: the URL of its last PUT.
func withDigest(t *testing.T, upload string, blob []byte) string {
	t.Helper()
	u, err := url.Parse(upload)
	if err != nil {
		t.Fatalf("parse a location: %v", err)
	}
	query := u.Query()
	query.Set("digest", digest.FromBytes(blob).String())
	u.RawQuery = query.Encode()
	return u.String()
}

// beginUpload opens an upload and returns its URL.
func beginUpload(t *testing.T, repo string) string {
	t.Helper()
	resp, body := send(t, "POST", "http://"+host+"/v2/"+repo+"/blobs/uploads/", nil)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("begin an upload: %s %s", resp.Status, body)
	}
	return location(t, resp)
}

// putBlob uploads a blob and returns its URL.
func putBlob(t *testing.T, repo string, blob []byte) string {
	t.Helper()
	finish(t, beginUpload(t, repo), blob, 0)
	return blobURL(repo, blob)
}

// finish sends the bytes of a blob from done on, in as few requests as the
// registry takes, and closes the upload.
func finish(t *testing.T, upload string, blob []byte, done int) {
	t.Helper()
	for int64(len(blob)-done) > most {
		end := done + int(most)
		resp, body := send(t, "PATCH", upload, blob[done:end], "Content-Range", fmt.Sprintf("%d-%d", done, end-1))
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("send bytes from %d on: %s %s", done, resp.Status, body)
		}
		upload, done = location(t, resp), end
	}
	resp, body := send(t, "PUT", withDigest(t, upload, blob), blob[done:])
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("close the upload: %s %s", resp.Status, body)
	}
}

func blobURL(repo string, blob []byte) string {
	return "http://" + host + "/v2/" + repo + "/blobs/" + digest.FromBytes(blob).String()
}

func TestDownloadInRanges(t *testing.T) {
	t.Parallel()
	blob := randomBytes(24 << 20)
	at := putBlob(t, newRepo(t), blob)
	last := len(blob) - 1
	tests := []struct {
		asked      string
		start, end int // of what comes back, both included
	}{
		{"bytes=0-0", 0, 0},
		{"bytes=1000-1999", 1000, 1999},
		{"bytes=9000000-", 9000000, last},
		{"bytes=-70000", len(blob) - 70000, last},
		{fmt.Sprintf("bytes=5-%d", len(blob)*2), 5, last},
	}
	for _, tt := range tests {
		resp, got := send(t, "GET", at, nil, "Range", tt.asked)
		if resp.StatusCode != http.StatusPartialContent {
			t.Errorf("%s: got %s, want 206", tt.asked, resp.Status)
		}
		want := fmt.Sprintf("bytes %d-%d/%d", tt.start, tt.end, len(blob))
		if got := resp.Header.Get("Content-Range"); got != want {
			t.Errorf("%s: got Content-Range %q, want %q", tt.asked, got, want)
		}
		if !bytes.Equal(got, blob[tt.start:tt.end+1]) {
			t.Errorf("%s: got other bytes, %d of them, want %d", tt.asked, len(got), tt.end+1-tt.start)
		}
	}
	resp, _ := send(t, "GET", at, nil, "Range", fmt.Sprintf("bytes=%d-", len(blob)))
	if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("past the end: got %s, want 416", resp.Status)
	}
}

// A client that loses the connection in the middle asks for the rest.
func TestDownloadResumesAfterACut(t *testing.T) {
	t.Parallel()
	blob := randomBytes(20 << 20)
	at := putBlob(t, newRepo(t), blob)
	resp, err := http.Get(at)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	got := make([]byte, 7<<20)
	if _, err := io.ReadFull(resp.Body, got); err != nil {
		t.Fatalf("read the start: %v", err)
	}
	resp.Body.Close() // with bytes unread: the connection is cut
	rest, tail := send(t, "GET", at, nil, "Range", fmt.Sprintf("bytes=%d-", len(got)))
	if rest.StatusCode != http.StatusPartialContent {
		t.Fatalf("get the rest: %s", rest.Status)
	}
	if !bytes.Equal(append(got, tail...), blob) {
		t.Error("the two pieces are not the blob")
	}
}

// An upload whose connection breaks in the middle of a chunk goes on from
// where the registry says it is.
func TestUploadResumesAfterACut(t *testing.T) {
	t.Parallel()
	blob, repo := randomBytes(20<<20), newRepo(t)
	upload := beginUpload(t, repo)
	chunk := blob[:min(int64(len(blob)), most)]
	sent := len(chunk) / 2
	cutPatch(t, upload, chunk, sent)

	upload, done := settle(t, upload)
	if done > sent {
		t.Fatalf("the registry has %d bytes, and was sent %d", done, sent)
	}
	finish(t, upload, blob, done)
	if _, got := send(t, "GET", blobURL(repo, blob), nil); !bytes.Equal(got, blob) {
		t.Error("the blob came back with other bytes")
	}
}

// cutPatch announces a whole chunk, sends the first n bytes of it, and hangs up.
func cutPatch(t *testing.T, upload string, chunk []byte, n int) {
	t.Helper()
	u, err := url.Parse(upload)
	if err != nil {
		t.Fatalf("parse a location: %v", err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	head := fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"+
		"Content-Length: %d\r\nContent-Range: 0-%d\r\n\r\n", u.RequestURI(), u.Host, len(chunk), len(chunk)-1)
	if _, err := conn.Write(append([]byte(head), chunk[:n]...)); err != nil {
		t.Fatalf("send a chunk: %v", err)
	}
}

// settle waits until the registry has noticed the cut. It returns the URL to
// go on at and how many bytes the registry kept.
func settle(t *testing.T, upload string) (next string, offset int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for same := 0; same < 5; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the upload does not come to rest")
		}
		before := offset
		if next, offset = uploadStatus(t, upload); offset == before {
			same++
		} else {
			same = 0
		}
	}
	return next, offset
}

func uploadStatus(t *testing.T, upload string) (next string, offset int) {
	t.Helper()
	resp, body := send(t, "GET", upload, nil)
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("ask for the status: %s %s", resp.Status, body)
	}
	var end int
	if _, err := fmt.Sscanf(resp.Header.Get("Range"), "0-%d", &end); err != nil {
		t.Fatalf("got Range %q, want 0-<end>", resp.Header.Get("Range"))
	}
	if end == 0 {
		return location(t, resp), 0 // nothing yet: a range cannot say so in another way
	}
	return location(t, resp), end + 1
}
