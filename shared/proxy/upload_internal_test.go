package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

const layer = "the bytes of a layer"

var layerDigest = oci.SHA256.Sum([]byte(layer))

// What docker and podman do: one PATCH of unknown length, then an empty PUT.
func TestStreamedPatch(t *testing.T) {
	g := newRig(t)
	at := g.started()
	if !strings.HasPrefix(at, "/v2/team/app/blobs/uploads/") || strings.Contains(at, "theirs") {
		t.Fatalf("Location %q", at)
	}
	a := g.want(g.send("PATCH", at, io.MultiReader(strings.NewReader(layer))), http.StatusAccepted, "")
	if got, want := a.header.Get("Range"), fmt.Sprintf("0-%d", len(layer)-1); got != want || a.header.Get("Location") != at {
		t.Errorf("PATCH: got range %s at %s, want %s at %s", got, a.header.Get("Location"), want, at)
	}
	a = g.want(g.do("PUT", at+"?digest="+string(layerDigest), ""), http.StatusCreated, "")
	if a.header.Get("Location") != "/v2/team/app/blobs/"+string(layerDigest) || a.header.Get("Docker-Content-Digest") != string(layerDigest) {
		t.Errorf("PUT: got %v", a.header)
	}
	k := g.kept()
	if body, ended, aborted := k.state(); body != layer || ended != layerDigest || aborted || k.repo != "team/app" {
		t.Errorf("the stream has %q, ended as %s, aborted %v", body, ended, aborted)
	}
	g.want(g.do("GET", at, ""), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

// What containerd and oras do.
func TestSinglePut(t *testing.T) {
	g := newRig(t)
	g.want(g.do("PUT", g.started()+"?digest="+string(layerDigest), layer), http.StatusCreated, "")
	if body, ended, _ := g.kept().state(); body != layer || ended != layerDigest {
		t.Errorf("the stream has %q, ended as %s", body, ended)
	}
}

func TestSinglePost(t *testing.T) {
	g := newRig(t)
	g.want(g.do("POST", "/v2/team/app/blobs/uploads/?digest="+string(layerDigest), layer), http.StatusCreated, "")
	if body, ended, _ := g.kept().state(); body != layer || ended != layerDigest || g.kept().size != int64(len(layer)) {
		t.Errorf("the stream has %q, ended as %s", body, ended)
	}
	if g.askedTimes() != 0 {
		t.Error("the registry is asked whether it takes what it is about to get")
	}
	g.want(g.do("POST", "/v2/team/app/blobs/uploads/?digest=sha256:x", layer), http.StatusBadRequest, "DIGEST_INVALID")
	g.want(g.do("POST", "/v2/team/app/blobs/uploads/?digest="+string(someDigest), layer), http.StatusBadRequest, "DIGEST_INVALID")
	g.eventually("a wrong blob is given up", func() bool { _, _, aborted := g.kept().state(); return aborted })
}

// What regctl does.
func TestChunks(t *testing.T) {
	g := newRig(t)
	at := g.started()
	g.want(g.do("PATCH", at, layer[:5], "Content-Range", "0-4"), http.StatusAccepted, "")
	for _, wrong := range []string{"0-4", "6-10"} {
		a := g.want(g.do("PATCH", at, layer[:5], "Content-Range", wrong), http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID")
		if a.header.Get("Range") != "0-4" || a.header.Get("Location") != at {
			t.Errorf("416: got %v", a.header)
		}
	}
	a := g.want(g.do("GET", at, ""), http.StatusNoContent, "")
	if a.header.Get("Range") != "0-4" || a.header.Get("Location") != at {
		t.Errorf("status: got %v", a.header)
	}
	g.want(g.do("PATCH", at, layer[5:7], "Content-Range", "5-6"), http.StatusAccepted, "")
	g.want(g.do("PUT", at+"?digest="+string(layerDigest), layer[7:], "Content-Range", fmt.Sprintf("7-%d", len(layer)-1)), http.StatusCreated, "")
	if body, ended, _ := g.kept().state(); body != layer || ended != layerDigest {
		t.Errorf("the stream has %q, ended as %s", body, ended)
	}
}

func TestWhatIsWrongWithRequests(t *testing.T) {
	g := newRig(t)
	at := g.started()
	g.want(g.do("PUT", at, layer), http.StatusBadRequest, "DIGEST_INVALID")
	g.want(g.do("PUT", at+"?digest=md5:0", layer), http.StatusBadRequest, "DIGEST_INVALID")
	g.want(g.do("PATCH", at, layer, "Content-Range", "bytes"), http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
	g.want(g.do("PATCH", at, layer, "Content-Range", "0-1"), http.StatusBadRequest, "SIZE_INVALID")
	g.want(g.do("POST", at, layer), http.StatusMethodNotAllowed, "UNSUPPORTED")
	g.want(g.do("OPTIONS", at, ""), http.StatusMethodNotAllowed, "UNSUPPORTED")
	g.want(g.do("PATCH", strings.Replace(at, "app", "other", 1), layer), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	g.want(g.do("PATCH", at+"x", layer), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	g.want(g.do("POST", "/v2/Team/blobs/uploads/", ""), http.StatusBadRequest, "NAME_INVALID")
	if body, _, _ := g.kept().state(); body != "" {
		t.Errorf("%q of that got into the stream", body)
	}
	g.want(g.do("PUT", at+"?digest="+string(layerDigest), layer), http.StatusCreated, "")
}

// Of a PATCH that is cut off what has come counts, and the client goes on from
// there.
func TestACutClientGoesOn(t *testing.T) {
	g := newRig(t)
	at := g.started()
	conn, err := net.Dial("tcp", g.host())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", at, len(layer), layer[:7])
	g.eventually("the first bytes are taken", func() bool { body, _, _ := g.kept().state(); return body == layer[:7] })
	conn.Close()
	a := g.want(g.do("GET", at, ""), http.StatusNoContent, "")
	if a.header.Get("Range") != "0-6" {
		t.Fatalf("range %s", a.header.Get("Range"))
	}
	g.want(g.do("PATCH", at, layer[7:], "Content-Range", fmt.Sprintf("7-%d", len(layer)-1)), http.StatusAccepted, "")
	g.want(g.do("PUT", at+"?digest="+string(layerDigest), ""), http.StatusCreated, "")
}

// A second PATCH waits for the first, and what it then adds is in order.
func TestOneAtATime(t *testing.T) {
	g := newRig(t)
	at := g.started()
	r, w := io.Pipe()
	first := make(chan answer, 1)
	go func() { a, _ := g.try("PATCH", at, r); first <- a }()
	_, _ = io.WriteString(w, layer[:5])
	g.eventually("the first is under way", func() bool { body, _, _ := g.kept().state(); return body == layer[:5] })
	second := make(chan answer, 1)
	go func() { a, _ := g.try("PATCH", at, strings.NewReader(layer[:5]), "Content-Range", "0-4"); second <- a }()
	_, _ = io.WriteString(w, layer[5:])
	w.Close()
	g.want(<-first, http.StatusAccepted, "")
	g.want(<-second, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID")
	g.want(g.do("PUT", at+"?digest="+string(layerDigest), ""), http.StatusCreated, "")
}

func TestCancel(t *testing.T) {
	g := newRig(t)
	at := g.started()
	g.want(g.do("PATCH", at, layer), http.StatusAccepted, "")
	g.want(g.do("DELETE", at, ""), http.StatusNoContent, "")
	g.eventually("the stream is aborted", func() bool { _, _, aborted := g.kept().state(); return aborted })
	g.want(g.do("GET", at, ""), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	g.want(g.do("DELETE", at, ""), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

// To cancel an upload ends what waits for it.
func TestCancelWhileTheRegistryVerifies(t *testing.T) {
	g := newRig(t)
	at := g.started()
	verifying := make(chan struct{})
	g.finish = func(ctx context.Context) error {
		close(verifying)
		<-ctx.Done()
		return ctx.Err()
	}
	put := make(chan answer, 1)
	go func() { a, _ := g.try("PUT", at+"?digest="+string(layerDigest), strings.NewReader(layer)); put <- a }()
	<-verifying
	g.want(g.do("DELETE", at, ""), http.StatusNoContent, "")
	if a := <-put; a.status != http.StatusNotFound || a.code() != "BLOB_UPLOAD_UNKNOWN" {
		t.Errorf("PUT: got %d %s", a.status, a.body)
	}
	g.eventually("the stream is aborted", func() bool { _, _, aborted := g.kept().state(); return aborted })
}

// A registry that verifies for longer than a client waits ends what it began.
func TestAClientThatDoesNotWait(t *testing.T) {
	g := newRig(t)
	at := g.started()
	verifying, verified := make(chan struct{}), make(chan struct{})
	g.finish = func(ctx context.Context) error {
		close(verifying)
		select {
		case <-verified:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-verifying; hangUp() }()
	r, err := http.NewRequestWithContext(ctx, "PUT", g.url+at+"?digest="+string(layerDigest), strings.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.browser.Do(r); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(verified)
	g.eventually("the blob is there", func() bool { _, ended, _ := g.kept().state(); return ended == layerDigest })
}

// What the registry refuses is told at once, and the rest is not read.
func TestTheRegistryFailsWithinABody(t *testing.T) {
	g := newRig(t)
	at := g.started()
	g.write = func([]byte) error { return errors.New("put part 3: connection refused") }
	g.want(g.send("PATCH", at, neverEnding{}), http.StatusBadGateway, "UNKNOWN")
	g.want(g.do("GET", at, ""), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	g.eventually("the stream is aborted", func() bool { _, _, aborted := g.kept().state(); return aborted })
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func TestAbandonedUploads(t *testing.T) {
	g := newRig(t)
	g.uploads.idle = 50 * time.Millisecond
	at := g.started()
	g.want(g.do("PATCH", at, layer), http.StatusAccepted, "")
	g.eventually("the stream is aborted", func() bool { _, _, aborted := g.kept().state(); return aborted })
	g.want(g.do("GET", at, ""), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
}

func TestUploadsAreBounded(t *testing.T) {
	g := newRig(t)
	g.uploads.most = 2
	g.started()
	at := g.started()
	a := g.want(g.do("POST", "/v2/team/app/blobs/uploads/", ""), http.StatusTooManyRequests, "TOOMANYREQUESTS")
	if a.header.Get("Retry-After") == "" {
		t.Error("no word of when to come again")
	}
	g.want(g.do("DELETE", at, ""), http.StatusNoContent, "")
	g.started()
}

func TestIDsCannotBeGuessed(t *testing.T) {
	g := newRig(t)
	seen := map[string]bool{}
	for range 100 {
		id := g.started()[len("/v2/team/app/blobs/uploads/"):]
		if len(id) < 26 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

// At its end the proxy gives up what is open, takes no more, and tells the
// registry.
func TestClose(t *testing.T) {
	g := newRig(t)
	at := g.started()
	r, w := io.Pipe()
	defer w.Close()
	patched := make(chan answer, 1)
	go func() { a, _ := g.try("PATCH", at, r); patched <- a }()
	_, _ = io.WriteString(w, layer)
	g.eventually("the body is under way", func() bool { body, _, _ := g.kept().state(); return body != "" })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while a client is sending: got %v", err)
	}
	g.want(g.do("POST", "/v2/team/app/blobs/uploads/?digest="+string(layerDigest), layer), http.StatusServiceUnavailable, "UNKNOWN")
	w.Close()
	if a := <-patched; a.status == http.StatusAccepted {
		t.Errorf("a PATCH that came to nothing: got %d", a.status)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, aborted := g.kept().state(); !aborted {
		t.Error("the stream is not aborted")
	}
}
