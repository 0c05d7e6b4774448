package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// maxResponse is how long the JSON of a response may be, in bytes: Lambda takes
// no more.
const maxResponse = 6 << 20

// octets is what is said of a body of which the handler says nothing. The
// adapter would guess, the gateway call it text.
const octets = "application/octet-stream"

var errTooLarge = errors.New("gateway: the answer is larger than Lambda returns")

// An answer takes down what the handler writes. Header and status are kept by
// the adapter's writer.
type answer struct {
	http.ResponseWriter
	status int
	text   strings.Builder // the body; a builder hands it on without a copy
	over   bool            // there was more than ever fits
}

// WriteHeader implements http.ResponseWriter. As on a socket the first status
// counts, and informational ones do not.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 {
		return
	}
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer. It takes a body also in answer to a HEAD: the
// gateway sends none, but computes the length from it.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	switch {
	case a.bodiless():
		return 0, http.ErrBodyNotAllowed
	case a.over || a.text.Len()+len(p) > maxResponse:
		a.over = true
		return 0, errTooLarge // whoever copies a layer into here may stop
	}
	if n, ok := a.length(); ok && a.text.Len() == 0 {
		a.text.Grow(max(min(n, maxResponse), len(p)))
	}
	return a.text.Write(p)
}

// bodiless says whether the status has no body by definition.
func (a *answer) bodiless() bool {
	return a.status == http.StatusNoContent || a.status == http.StatusNotModified
}

// length is the Content-Length that the handler announced.
func (a *answer) length() (int, bool) {
	n, err := strconv.Atoi(a.Header().Get("Content-Length"))
	return n, err == nil && n >= 0
}

// finish puts the body into the response, or says why the answer is lost.
func (x *exchange) finish(r *Response) (reason string) {
	body := x.text.String()
	announced, ok := x.length()
	// A HEAD as a socket has it: its length is that of what GET would send.
	bare := body == "" && x.event.RequestContext.HTTP.Method == http.MethodHead && !x.bodiless()
	switch {
	case x.cause != nil:
		return "internal error"
	case x.over:
		return "the answer is larger than can be returned"
	case ok && announced != len(body) && !bare && !x.bodiless():
		// On a socket the connection would break. The gateway would count what
		// is there and make it look whole.
		return "the answer broke off"
	}
	clean(r)
	if !bare {
		delete(r.Headers, "Content-Length") // the gateway's to compute
	}
	if body != "" && r.Headers["Content-Type"] == "" {
		r.Headers["Content-Type"] = octets
	}
	if n := encode(r, body); n > maxResponse/2 && n+frame(*r) > maxResponse {
		return "the answer is larger than can be returned"
	}
	return ""
}

// lines makes spaces of what would end a line.
var lines = strings.NewReplacer("\r", " ", "\n", " ")

// clean does what net/http does on a socket, so that what a stranger sent and a
// handler repeats cannot become a header of its own.
func clean(r *Response) {
	for name, value := range r.Headers {
		switch {
		case strings.ContainsAny(name, " \r\n:"):
			delete(r.Headers, name)
		case strings.ContainsAny(value, "\r\n"):
			r.Headers[name] = strings.TrimSpace(lines.Replace(value))
		}
	}
	for i, cookie := range r.Cookies {
		r.Cookies[i] = strings.TrimSpace(lines.Replace(cookie))
	}
}

// encode writes the body as text or as base64, whichever is shorter in JSON,
// and returns how long that is. What is not UTF-8 cannot be text.
func encode(r *Response, body string) int {
	encoded := base64.StdEncoding.EncodedLen(len(body))
	if n, ok := quoted(body); ok && n <= encoded {
		r.Body = body
		return n
	}
	r.Body, r.IsBase64Encoded = encode64(body, encoded), true
	return encoded
}

// encode64 writes piece by piece, so that a blob of 4 MiB is not copied whole
// on its way from bytes to text.
func encode64(body string, size int) string {
	var out strings.Builder
	out.Grow(size)
	var piece [3 << 10]byte // of threes, so that none but the last is padded
	var text [4 << 10]byte
	for len(body) > 0 {
		n := copy(piece[:], body)
		body = body[n:]
		base64.StdEncoding.Encode(text[:], piece[:n])
		out.Write(text[:base64.StdEncoding.EncodedLen(n)])
	}
	return out.String()
}

// frame is the length of a response's JSON without its body, or a little more:
// this escapes for HTML and aws-lambda-go does not.
func frame(r Response) int {
	r.Body = ""
	raw, err := json.Marshal(r)
	if err != nil {
		return maxResponse
	}
	return len(raw)
}

// failure is an answer of the gateway's own. A HEAD has its body too.
func failure(status int, code, message string, event *Request) Response {
	type item struct {
		Code    string            `json:"code"`
		Message string            `json:"message"`
		Detail  map[string]string `json:"detail,omitempty"`
	}
	out := item{Code: code, Message: message}
	headers := map[string]string{"Content-Type": "application/json"}
	if id := event.RequestContext.RequestID; id != "" {
		out.Detail = map[string]string{"requestId": id}
		headers["X-Request-Id"] = id
	}
	raw, err := json.Marshal(map[string][]item{"errors": {out}})
	if err != nil {
		raw = []byte(`{"errors":[]}`)
	}
	return Response{StatusCode: status, Headers: headers, Body: string(raw)}
}
