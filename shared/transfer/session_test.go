package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// An other is a registry that is not Berth, with habits.
type other struct {
	testing.TB
	url string

	noSingle  bool   // a POST with a digest only begins an upload
	refuses   int    // the status of a POST with a digest, 0 for none
	most      int64  // larger bodies are a 413
	tellsMost bool   // in OCI-Chunk-Max-Length
	least     int64  // of chunks but the last, in OCI-Chunk-Min-Length
	mute      bool   // no Range is told
	elsewhere string // where uploads are sent to, the host of another server
	mounts    string // a repository that blobs are mounted from
	before    func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.Mutex
	uploads map[string]*bytes.Buffer
	blobs   map[oci.Digest][]byte
	begun   int
	calls   []string // method and what it was for
}

func newOther(t testing.TB) *other {
	o := &other{TB: t, uploads: map[string]*bytes.Buffer{}, blobs: map[oci.Digest][]byte{}}
	web := httptest.NewServer(o)
	t.Cleanup(web.Close)
	o.url = web.URL
	return o
}

func (o *other) client(opts Options) (*Engine, *Repository) {
	e := newEngine(o, opts)
	e.sizes = sizes{small: 100, part: 1000, remote: 700, local: 300, chunk: 200_000}
	e.learn(strings.TrimPrefix(o.url, "http://"), false)
	return e, open(o, e, o.url, "team/app")
}

// called returns the calls, and forgets them.
func (o *other) called() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := strings.Join(o.calls, " ")
	o.calls = nil
	return out
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.before != nil && o.before(w, r) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, rest, _ := strings.Cut(r.URL.Path, "/blobs/")
	q := r.URL.Query()
	switch id, upload := strings.CutPrefix(rest, "uploads/"); {
	case !upload:
		o.calls = append(o.calls, r.Method)
		p, ok := o.blobs[oci.Digest(rest)]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p))
	case id == "":
		o.calls = append(o.calls, "POST")
		o.post(w, r, oci.Digest(q.Get("digest")))
	default:
		o.calls = append(o.calls, r.Method)
		o.upload(w, r, id, oci.Digest(q.Get("digest")))
	}
}

func (o *other) post(w http.ResponseWriter, r *http.Request, d oci.Digest) {
	q := r.URL.Query()
	switch {
	case q.Get("mount") != "" && q.Get("from") == o.mounts && o.mounts != "":
		o.blobs[oci.Digest(q.Get("mount"))] = nil
		w.WriteHeader(http.StatusCreated)
		return
	case d != "" && o.refuses != 0:
		w.WriteHeader(o.refuses)
		return
	case d != "" && !o.noSingle:
		p, _ := io.ReadAll(r.Body)
		o.publish(w, d, p)
		return
	}
	o.begun++
	id := fmt.Sprintf("u%d", o.begun)
	o.uploads[id] = &bytes.Buffer{}
	if o.tellsMost {
		w.Header().Set("OCI-Chunk-Max-Length", fmt.Sprint(o.most))
	}
	if o.least > 0 {
		w.Header().Set("OCI-Chunk-Min-Length", fmt.Sprint(o.least))
	}
	w.Header().Set("Location", o.elsewhere+"/v2/team/app/blobs/uploads/"+id+"?state=secret%2F1")
	w.WriteHeader(http.StatusAccepted)
}

func (o *other) publish(w http.ResponseWriter, d oci.Digest, p []byte) {
	if oci.SHA256.Sum(p) != d {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DIGEST_INVALID","message":"other bytes"}]}`)
		return
	}
	o.blobs[d] = p
	w.WriteHeader(http.StatusCreated)
}

func (o *other) upload(w http.ResponseWriter, r *http.Request, id string, d oci.Digest) {
	u := o.uploads[id]
	if !strings.HasPrefix(r.URL.RawQuery, "state=secret%2F1") {
		o.Errorf("the query of a Location has become %q", r.URL.RawQuery)
	}
	if u == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if o.most > 0 && r.ContentLength > o.most {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if v := r.Header.Get("Content-Range"); v != "" && !strings.HasPrefix(v, fmt.Sprint(u.Len(), "-")) {
		o.tell(w, u)
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	n, err := u.ReadFrom(r.Body)
	if err != nil {
		return
	}
	switch r.Method {
	case http.MethodPut:
		o.publish(w, d, u.Bytes())
		delete(o.uploads, id)
	case http.MethodPatch:
		if n < o.least && !o.isEnd(u) {
			o.Errorf("a chunk of %d bytes, %d is the least", n, o.least)
		}
		o.tell(w, u)
		w.WriteHeader(http.StatusAccepted)
	default:
		o.tell(w, u)
		w.WriteHeader(http.StatusNoContent)
	}
}

// isEnd says whether an upload has all that the tests send with a least size.
func (o *other) isEnd(u *bytes.Buffer) bool { return u.Len() == 900_000 }

func (o *other) tell(w http.ResponseWriter, u *bytes.Buffer) {
	if !o.mute {
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(u.Len()-1, 0)))
	}
}

// takes pushes bytes and checks that they have got there.
func (o *other) takes(r *Repository, p []byte) {
	o.Helper()
	d, w := describe(p), newCounter()
	way, err := r.Push(o.Context(), d, &memorySource{t: o, p: p}, w)
	if err != nil || way != Plain {
		o.Fatalf("push of %d bytes: %q, %v", len(p), way, err)
	}
	w.is(o, d, Plain)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !bytes.Equal(o.blobs[d.Digest], p) {
		o.Error("other bytes are there")
	}
}

func TestPushToOtherRegistries(t *testing.T) {
	for name, c := range map[string]struct {
		set          func(o *other)
		small, large string // calls
	}{
		"all of it":             {func(*other) {}, "POST", "POST PATCH PUT"},
		"no POST with a digest": {func(o *other) { o.noSingle = true }, "POST PUT", "POST PATCH PUT"},
		"an error for it":       {func(o *other) { o.refuses = 405 }, "POST POST PUT", "POST PATCH PUT"},
		"no Range":              {func(o *other) { o.mute = true }, "POST", "POST PATCH PUT"},
		"chunks":                {func(o *other) { o.most = 300_000; o.tellsMost = true }, "POST", "POST PATCH PATCH PATCH PUT"},
		"chunks untold":         {func(o *other) { o.most = 300_000 }, "POST", "POST PATCH GET PATCH PATCH PATCH PATCH PATCH PUT"},
		"small chunks untold":   {func(o *other) { o.most = 100_000 }, "POST", "POST PATCH GET PATCH GET" + strings.Repeat(" PATCH", 9) + " PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			c.set(o)
			e, r := o.client(Options{})
			o.takes(r, randomBytes(1, 90))
			if got := o.called(); got != c.small {
				t.Errorf("a small blob took %s, want %s", got, c.small)
			}
			o.takes(r, randomBytes(2, 900_000))
			if got := o.called(); got != c.large {
				t.Errorf("a large blob took %s, want %s", got, c.large)
			}
			balanced(t, e)
		})
	}
}

// Even what is small may be too large for a gateway.
func TestSmallBlobsInChunks(t *testing.T) {
	o := newOther(t)
	o.most = 100_000
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength > o.most {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	}
	e, r := o.client(Options{})
	e.sizes.small = 1 << 20
	o.takes(r, randomBytes(1, 300_000))
	balanced(t, e)
}

func TestChunksAreNotTooSmall(t *testing.T) {
	o := newOther(t)
	o.most, o.tellsMost, o.least = 700_000, true, 500_000
	_, r := o.client(Options{})
	o.takes(r, randomBytes(2, 900_000))
	if got, want := o.called(), "POST PATCH PATCH PUT"; got != want {
		t.Errorf("it took %s, want %s", got, want)
	}
}

// An upload on another host gets the bytes, and no credentials.
func TestUploadOnAnotherHost(t *testing.T) {
	o := newOther(t)
	asked, elsewhere := 0, 0
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.Host, "localhost") {
			elsewhere++
			if r.Header.Get("Authorization") != "" || r.Header.Get("Oci-Ref") != "" {
				t.Error("another host was sent credentials")
			}
			return false
		}
		if _, _, ok := r.BasicAuth(); !ok {
			asked++
			w.Header().Set("Www-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	o.elsewhere = strings.Replace(o.url, "127.0.0.1", "localhost", 1)
	_, r := o.client(Options{Sessions: t.TempDir()})
	o.takes(r, randomBytes(1, 5000))
	if asked != 1 || elsewhere != 2 {
		t.Errorf("%d challenges and %d requests to the other host, want 1 and 2", asked, elsewhere)
	}
}

// What is lost on the way back has happened.
func TestAnswersThatAreLost(t *testing.T) {
	for _, method := range []string{"PATCH", "PUT"} {
		o := newOther(t)
		var lost sync.Once
		o.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method {
				return false
			}
			done := false
			lost.Do(func() {
				o.before = nil
				o.ServeHTTP(httptest.NewRecorder(), r)
				done = true
				panic(http.ErrAbortHandler)
			})
			return done
		}
		_, r := o.client(Options{})
		o.takes(r, randomBytes(1, 5000))
		if got, want := o.called(), map[string]string{"PATCH": "POST PATCH GET PUT", "PUT": "POST PATCH PUT PUT HEAD"}[method]; got != want {
			t.Errorf("it took %s, want %s", got, want)
		}
	}
}

func TestUploadThatIsLostIsBegunAnew(t *testing.T) {
	o := newOther(t)
	n := 0
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			if n++; n == 1 {
				_, id, _ := strings.Cut(r.URL.Path, "uploads/")
				delete(o.uploads, id)
			}
		}
		return false
	}
	_, r := o.client(Options{})
	o.takes(r, randomBytes(1, 5000))
}

func TestRegistryThatNeverGetsFurther(t *testing.T) {
	o := newOther(t)
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Range", "0-0")
		w.WriteHeader(http.StatusAccepted)
		return true
	}
	_, r := o.client(Options{})
	p := randomBytes(1, 5000)
	if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); !errors.Is(err, errAnswer) {
		t.Errorf("got %v, want that it makes no sense", err)
	}
}

// A registry that is never where it says ends a push.
func TestRegistryThatIsElsewhere(t *testing.T) {
	o := newOther(t)
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return true
	}
	_, r := o.client(Options{})
	p := randomBytes(1, 5000)
	if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); !errors.Is(err, errLost) {
		t.Errorf("got %v, want that the upload is lost", err)
	}
	if got, want := o.called(), strings.TrimSpace(strings.Repeat("POST GET ", maxSessions)); got != want {
		t.Errorf("it took %s, want %s", got, want)
	}
}

func TestSmallBlobThatIsRefused(t *testing.T) {
	for status, want := range map[int]string{401: "POST", 403: "POST", 400: "POST POST PUT", 404: "POST POST PUT"} {
		o := newOther(t)
		o.refuses = status
		_, r := o.client(Options{})
		p := randomBytes(1, 50)
		_, _ = r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil)
		if got := o.called(); got != want {
			t.Errorf("status %d: it took %s, want %s", status, got, want)
		}
	}
}
