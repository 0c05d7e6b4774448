package distribution_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// raw sends bytes as they are, says that no more will come, and reads what is
// answered, if anything is.
func (s *server) raw(request string) (answer, error) {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return answer{}, err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	return a, err
}

func rawRequest(method, target, header, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: registry.test\r\n%s\r\n%s", method, target, header, body)
}

// cutBodies are ways to send a body that is less than it says.
func cutBodies(content []byte) map[string]string {
	half := string(content[:len(content)/2])
	return map[string]string{
		"length":        fmt.Sprintf("Content-Length: %d\r\n|%s", len(content), half),
		"nothing":       fmt.Sprintf("Content-Length: %d\r\n|", len(content)),
		"inside chunk":  fmt.Sprintf("Transfer-Encoding: chunked\r\n|%x\r\n%s", len(content), half),
		"after chunk":   fmt.Sprintf("Transfer-Encoding: chunked\r\n|%x\r\n%s\r\n", len(half), half),
		"chunk's size":  fmt.Sprintf("Transfer-Encoding: chunked\r\n|%x\r\n%s\r\nzz", len(half), half),
		"before ending": fmt.Sprintf("Transfer-Encoding: chunked\r\n|%x\r\n%s\r\n0\r\n", len(half), half),
	}
}

// A chunk that breaks off does not count, and the same chunk sent again does.
func TestCutChunk(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{100, 100 << 10} {
		content := noise(2 * size)
		d := oci.SHA256.Sum(content)
		location := s.begin("a")
		s.want(s.patch(location, 0, content[:size]), http.StatusAccepted, "")
		for _, ranged := range []string{"", "Content-Range: " + contentRange(size, size) + "\r\n"} {
			for what, request := range cutBodies(content[size:]) {
				header, body, _ := strings.Cut(request, "|")
				for _, c := range []struct{ method, target string }{
					{http.MethodPatch, location}, {http.MethodPut, location + "?digest=" + string(d)},
				} {
					a, err := s.raw(rawRequest(c.method, c.target, header+ranged, body))
					if err == nil && a.status != http.StatusBadRequest {
						t.Errorf("%s cut (%s) = %d %s", c.method, what, a.status, a.body)
					}
					s.wantAt(location, size)
				}
			}
		}
		s.want(s.get("/v2/a/blobs/"+string(d)), http.StatusNotFound, "BLOB_UNKNOWN")
		s.want(s.patch(location, size, content[size:]), http.StatusAccepted, "")
		s.want(s.finish(location, d, -1, nil), http.StatusCreated, "")
		s.wantBlob("a", d, content)
	}
}

func TestCutPush(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{100, 100 << 10} {
		content := noise(size)
		half := oci.SHA256.Sum(content[:size/2]) // what arrives is not a blob either
		for what, request := range cutBodies(content) {
			header, body, _ := strings.Cut(request, "|")
			for _, d := range []oci.Digest{oci.SHA256.Sum(content), half} {
				a, err := s.raw(rawRequest(http.MethodPost, "/v2/a/blobs/uploads/?digest="+string(d), header, body))
				if err == nil && a.status != http.StatusBadRequest {
					t.Errorf("POST cut (%s) = %d %s", what, a.status, a.body)
				}
				s.want(s.get("/v2/a/blobs/"+string(d)), http.StatusNotFound, "BLOB_UNKNOWN")
			}
		}
	}
	index := []byte(string(indexOf()) + strings.Repeat(" ", 1000)) // half of it is a manifest
	for what, request := range cutBodies(index) {
		header, body, _ := strings.Cut(request, "|")
		a, err := s.raw(rawRequest(http.MethodPut, manifestURL("a", "x"), "Content-Type: "+oci.MediaTypeIndex+"\r\n"+header, body))
		if err == nil && a.status != http.StatusBadRequest {
			t.Errorf("PUT of a manifest cut (%s) = %d %s", what, a.status, a.body)
		}
	}
	s.want(s.get("/v2/a/tags/list"), http.StatusNotFound, "NAME_UNKNOWN")
}

// What follows the length that a request gives is the next request, not part
// of the blob.
func TestMoreThanContentLength(t *testing.T) {
	s := serve(t, registry.Options{})
	location := s.begin("a")
	a, err := s.raw(rawRequest(http.MethodPatch, location, "Content-Length: 5\r\n", "01234567"))
	if err != nil || a.status != http.StatusAccepted {
		t.Fatalf("PATCH = %d %s, %v", a.status, a.body, err)
	}
	s.wantAt(location, 5)
	s.want(s.finish(location, oci.SHA256.Sum([]byte("01234")), -1, nil), http.StatusCreated, "")
}

// Two lengths, or a length and chunks, are how requests are smuggled past a
// proxy: the server refuses them or takes them one way, and closes.
func TestTwoLengths(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, header := range []string{
		"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: -5\r\n", "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n",
		"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
	} {
		location := s.begin("a")
		if a, err := s.raw(rawRequest(http.MethodPatch, location, header, "012345")); err == nil && a.status < 400 {
			t.Errorf("%q = %d", header, a.status)
		}
		s.wantAt(location, 0)
	}
}

// A refusal need not wait for the body: clients that send Expect are spared it.
func TestExpectContinue(t *testing.T) {
	s := serve(t, registry.Options{})
	for target, want := range map[string]int{
		manifestURL("a", "x"):                          http.StatusRequestEntityTooLarge,
		"/v2/a/blobs/uploads/x?digest=" + digest256:    http.StatusNotFound,
		"/v2/a/blobs/uploads/x?digest=sha256:nonsense": http.StatusBadRequest,
	} {
		header := fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n", 1<<30)
		a, err := s.raw(rawRequest(http.MethodPut, target, header, ""))
		if err != nil || a.status != want {
			t.Errorf("PUT %s = %d %s, %v, want %d before any body", target, a.status, a.body, err, want)
		}
	}
}
