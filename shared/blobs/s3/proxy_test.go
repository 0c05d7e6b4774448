package s3_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The operations of S3 that the store uses, as a proxy tells them apart.
const (
	putObject      = "PutObject"
	getObject      = "GetObject"
	headObject     = "HeadObject"
	deleteObject   = "DeleteObject"
	deleteObjects  = "DeleteObjects"
	createUpload   = "CreateMultipartUpload"
	uploadPart     = "UploadPart"
	uploadPartCopy = "UploadPartCopy"
	completeUpload = "CompleteMultipartUpload"
	abortUpload    = "AbortMultipartUpload"
	listUploads    = "ListMultipartUploads"
	listObjects    = "ListObjectsV2"
	listParts      = "ListParts"
	copyObject     = "CopyObject"
	deleteTagging  = "DeleteObjectTagging"
)

func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "" && !q.Has("partNumber"):
		return copyObject
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return uploadPartCopy
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return uploadPart
	case r.Method == http.MethodPut:
		return putObject
	case r.Method == http.MethodPost && q.Has("uploads"):
		return createUpload
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return completeUpload
	case r.Method == http.MethodPost && q.Has("delete"):
		return deleteObjects
	case r.Method == http.MethodGet && q.Has("uploads"):
		return listUploads
	case r.Method == http.MethodGet && q.Has("list-type"):
		return listObjects
	case r.Method == http.MethodGet && q.Has("uploadId"):
		return listParts
	case r.Method == http.MethodGet:
		return getObject
	case r.Method == http.MethodHead:
		return headObject
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return abortUpload
	case r.Method == http.MethodDelete && q.Has("tagging"):
		return deleteTagging
	case r.Method == http.MethodDelete:
		return deleteObject
	}
	return "unknown: " + r.Method + " " + r.URL.String()
}

// A fault is what a proxy does to a request.
type fault string

const (
	none      fault = ""
	slowDown  fault = "503 SlowDown"
	reset     fault = "connection reset"
	dropped   fault = "answer dropped" // failed, but happened
	cut       fault = "answer cut in half"
	cutAtOnce fault = "answer without its body"
)

// proxy stands between the store and the service.
type proxy struct {
	*httptest.Server
	forward *httputil.ReverseProxy

	mu    sync.Mutex
	seen  []string                         // operations, in order
	judge func(r *http.Request) fault      // nil: all pass
	check func(op string, r *http.Request) // sees every request
}

// newProxy starts a proxy before the service, and returns the service as it is
// seen through it.
func newProxy(t testing.TB, s service) (*proxy, service) {
	t.Helper()
	target, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	p.forward = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	s.endpoint = p.URL
	return p, s
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := operation(r)
	p.mu.Lock()
	p.seen = append(p.seen, op)
	judge, check := p.judge, p.check
	p.mu.Unlock()
	if check != nil {
		check(op, r)
	}
	f := none
	if judge != nil {
		f = judge(r)
	}
	switch f {
	case none:
		p.forward.ServeHTTP(w, r)
	case slowDown:
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	case reset:
		hangUp(w)
	case dropped:
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		hangUp(w)
	case cut, cutAtOnce:
		p.serveCut(w, r, f)
	}
}

// serveCut announces a whole body and sends half of it, or nothing.
func (p *proxy) serveCut(w http.ResponseWriter, r *http.Request, f fault) {
	whole := httptest.NewRecorder()
	p.forward.ServeHTTP(whole, r)
	for name, values := range whole.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(whole.Code)
	if f == cut {
		w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
	}
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// hangUp resets the connection.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// set has judge decide on the requests to come.
func (p *proxy) set(judge func(*http.Request) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge = judge
}

// watch has check see the requests to come.
func (p *proxy) watch(check func(op string, r *http.Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.check = check
}

// failing returns a judge who does f to the first n requests of an operation,
// or to all if n is negative, and a function that tells how many are left.
func failing(op string, f fault, n int) (judge func(*http.Request) fault, left func() int) {
	var mu sync.Mutex
	judge = func(r *http.Request) fault {
		mu.Lock()
		defer mu.Unlock()
		if operation(r) != op || n == 0 {
			return none
		}
		n--
		return f
	}
	left = func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
	return judge, left
}

// take returns the operations since the last take, sorted.
func (p *proxy) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := slices.Sorted(slices.Values(p.seen))
	p.seen = nil
	return strings.Join(seen, " ")
}
