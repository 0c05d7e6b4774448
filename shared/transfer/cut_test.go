package transfer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Wherever an answer is cut, the request is made again.
func TestCutWithinAnAnswersHeader(t *testing.T) {
	const answer = "HTTP/1.1 201 Created\r\nDocker-Content-Digest: sha256:0\r\nContent-Length: 0\r\n\r\n"
	for at := range len(answer) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, answer[:at])
		}))
		resp, err := http.Get(server.URL)
		if err == nil {
			resp.Body.Close()
		}
		if !IsCut(err) {
			t.Errorf("after %q: %v is not taken for a cut", answer[:at], err)
		}
		server.Close()
	}
}
