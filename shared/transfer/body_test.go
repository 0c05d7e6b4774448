package transfer

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A body that nobody came to read holds nothing: net/http opens one for a redirect
// that is not followed, and forgets it.
func TestBodiesThatAreNotRead(t *testing.T) {
	o := newOther(t)
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			answering(http.StatusTemporaryRedirect, "", "Location", "http://elsewhere.invalid/")(w, r)
			return true
		}
		return false
	}
	e, r := o.client(Options{})
	e.learn(r.base.Host, false)
	p := randomBytes(1, 5000)
	if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); !refusedWith(err, http.StatusTemporaryRedirect) {
		t.Errorf("got %v, want the refusal", err)
	}
	noneLeft(t) // while the context of the push goes on
	balanced(t, e)
}

// A lateReader is what http.Client may be: it has an answer, or none, and goes on
// to read the body.
type lateReader struct {
	err  error
	body io.Reader
}

func (l *lateReader) Do(req *http.Request) (*http.Response, error) {
	l.body = req.Body
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody}, l.err
}

// What is behind a body may be in use for another when its request is over.
func TestBodiesAreNotReadBehindTheirRequest(t *testing.T) {
	e := newEngine(t, Options{})
	p := randomBytes(1, 1000)
	stream, err := e.streamPayload(t.Context(), describe(p), &memorySource{t: t, p: p}, 0, int64(len(p)), silent{})
	if err != nil {
		t.Fatal(err)
	}
	for _, failed := range []error{nil, io.ErrUnexpectedEOF} {
		for name, body := range map[string]payload{"in memory": bytesPayload(p, nil), "of a source": stream} {
			c := lateReader{err: failed}
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", nil)
			if resp, err := send(&c, req, body, time.Minute, time.Minute); err == nil {
				discard(resp)
			}
			if n, err := c.body.Read(make([]byte, 10)); n > 0 || err == nil {
				t.Errorf("%s: %d bytes are read, %v", name, n, err)
			}
		}
	}
	balanced(t, e)
}
