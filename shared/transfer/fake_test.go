package transfer

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// A fake is a registry that knows direct transfer, of little parts, which does
// what a test wants it to, and fails the test where the protocol is not kept.
// Its store is another server.
type fake struct {
	testing.TB
	memory *blobstest.Memory
	url    string // of the registry
	store  string // of the store
	part   int64
	small  int64

	// before may answer a request in the place of the registry or the store. The kind
	// is the method and what it is for.
	before func(w http.ResponseWriter, r *http.Request, kind string) (done bool)
	// verify may stand in for the verification of an upload. It returns false while
	// that goes on.
	verify func(u *fakeUpload) bool
	valid  time.Duration // of URLs
	token  string        // that requests must have, "" for any
	scopes []string      // that tokens were asked for

	mu      sync.Mutex
	calls   map[string]int
	uploads map[string]*fakeUpload
	blobs   map[oci.Digest]string // the keys of objects
	begun   int
}

type fakeUpload struct {
	direct.Status
	key, multipart string
	completed      int // how often that was asked for
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{TB: t, part: 1000, small: 100, valid: time.Hour, calls: map[string]int{}, uploads: map[string]*fakeUpload{}, blobs: map[oci.Digest]string{}}
	store := httptest.NewServer(http.HandlerFunc(f.serveStore))
	t.Cleanup(store.Close)
	f.store = store.URL
	f.memory = blobstest.NewMemory(blobstest.MemoryOptions{Base: store.URL, MinPart: 1})
	web := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(web.Close)
	f.url = web.URL
	return f
}

// client returns an engine whose sizes are those of the fake, and a repository.
func (f *fake) client(o Options) (*Engine, *Repository) {
	f.Helper()
	e := newEngine(f, o)
	e.sizes = sizes{small: f.small, part: f.part, remote: 700, local: 300, chunk: 400}
	return e, open(f, e, f.url, "team/app")
}

// called returns how often there was a call of this kind, and forgets it.
func (f *fake) called(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.calls[kind]
	delete(f.calls, kind)
	return n
}

func (f *fake) stood(w http.ResponseWriter, r *http.Request, kind string) bool {
	f.mu.Lock()
	f.calls[kind]++
	f.mu.Unlock()
	return f.before != nil && f.before(w, r, kind)
}

func (f *fake) serveStore(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"Authorization", "Oci-Ref", "Cookie", "Referer"} {
		if r.Header.Get(name) != "" {
			f.Errorf("the store was sent %s", name)
		}
	}
	if !f.stood(w, r, r.Method+" store") {
		f.memory.ServeHTTP(w, r)
	}
}

// isThere says what the repository has of a digest.
func (f *fake) isThere(p []byte) bool {
	f.Helper()
	f.mu.Lock()
	key, ok := f.blobs[describe(p).Digest]
	f.mu.Unlock()
	if !ok {
		return false
	}
	got := make([]byte, len(p))
	if err := f.memory.ReadAt(f.Context(), key, got, 0); err != nil || !bytes.Equal(got, p) {
		f.Errorf("other bytes were published: %v", err)
	}
	return true
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		if !f.stood(w, r, "GET token") {
			f.login(w, r)
		}
		return
	}
	if r.Header.Get("Oci-Ref") != strings.TrimPrefix(f.url, "http://")+"/team/app:1" {
		f.Errorf("%s %s has OCI-Ref %q", r.Method, r.URL.Path, r.Header.Get("Oci-Ref"))
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/team/app/")
	if !ok {
		f.Errorf("%s %s is asked for", r.Method, r.URL.Path)
	}
	routes := []struct {
		prefix, kind string
		handle       func(r *http.Request, rest string) (any, int, error)
	}{
		{direct.Uploads + "/", "upload", f.upload},
		{direct.Uploads, "begin", f.begin},
		{"blobs/uploads/", "plain", f.plain},
		{"blobs/", "blob", f.blob},
	}
	for _, route := range routes {
		if rest, ok := strings.CutPrefix(rest, route.prefix); ok {
			kind := r.Method + " " + route.kind
			if strings.HasSuffix(rest, "/parts") {
				kind = "sign"
			}
			if f.stood(w, r, kind) {
				return
			}
			f.mu.Lock()
			if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
				f.mu.Unlock()
				f.challenge(w)
				return
			}
			answer, status, err := route.handle(r, rest)
			f.mu.Unlock()
			f.answer(w, answer, status, err)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// login gives a token to who knows the password.
func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scopes = append(f.scopes, strings.Join(r.URL.Query()["scope"], " "))
	if user, password, _ := r.BasicAuth(); user != "user" || password != "secret" {
		f.Errorf("login as %q", user)
	}
	_, _ = fmt.Fprintf(w, `{"token":%q}`, f.token)
}

func (f *fake) challenge(w http.ResponseWriter) {
	w.Header().Set("Www-Authenticate", `Bearer realm="`+f.url+`/token",service="fake"`)
	w.WriteHeader(http.StatusUnauthorized)
}

func (f *fake) answer(w http.ResponseWriter, answer any, status int, err error) {
	var known *oci.Error
	if errors.As(err, &known) {
		status = 400
		if known.Kind() == oci.ErrUploadUnknown || known.Kind() == oci.ErrBlobUnknown {
			status = 404
		}
		answer = map[string]any{"errors": []any{map[string]any{"code": known.Code, "message": known.Message, "detail": known.Detail}}}
	} else if err != nil {
		status = 500
	}
	if to, ok := answer.(location); ok {
		w.Header().Set("Location", string(to))
	}
	w.WriteHeader(status)
	if answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// A location is an answer that sends elsewhere.
type location string

func (f *fake) begin(r *http.Request, _ string) (any, int, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, 0, err
	}
	asked, err := direct.ParseBegin(raw)
	if err != nil {
		f.Errorf("begin %s: %v", raw, err)
		return nil, 0, err
	}
	out := direct.Begun{Blobs: make([]direct.Blob, len(asked.Blobs)), Manifests: []direct.Manifest{}}
	for i, w := range asked.Blobs {
		out.Blobs[i], err = f.beginOne(w)
		if err != nil {
			return nil, 0, err
		}
	}
	for _, d := range asked.Manifests {
		out.Manifests = append(out.Manifests, direct.Manifest{Digest: d, Present: f.blobs[d] != ""})
	}
	return out, 200, nil
}

func (f *fake) beginOne(w direct.Wanted) (direct.Blob, error) {
	b := direct.Blob{Digest: w.Digest, Size: w.Size, State: direct.Present}
	if f.blobs[w.Digest] != "" {
		return b, nil
	}
	if w.Size >= 0 && w.Size <= f.small {
		b.State = direct.Small
		return b, nil
	}
	b.State = direct.Upload
	id := "of-" + strings.TrimPrefix(string(w.Digest), "sha256:")
	u := f.uploads[id]
	if w.Digest == "" || u == nil || u.State == direct.Failed {
		f.begun++
		if w.Digest == "" {
			id = fmt.Sprintf("nameless-%d", f.begun)
		}
		u = &fakeUpload{Status: direct.Status{ID: id, State: direct.Open, Digest: w.Digest, Size: w.Size, PartSize: f.part}, key: fmt.Sprintf("blob-%d", f.begun)}
		if w.Digest == "" || w.Size > f.part {
			u.multipart, _ = f.memory.BeginParts(f.Context(), u.key)
		}
		f.uploads[id] = u
	}
	s, err := f.status(u, 0, 2)
	if u.multipart == "" && u.State == direct.Open {
		s.Put, err = f.target(u, direct.Part{Number: 1, Size: w.Size, SHA256: w.Digest.Encoded()})
	}
	b.Upload = &s
	return b, err
}

// status lists few parts at a time, so that there are pages.
func (f *fake) status(u *fakeUpload, after, most int) (direct.Status, error) {
	s := u.Status
	if u.State != direct.Open || u.multipart == "" {
		return s, nil
	}
	parts, _, err := f.memory.Parts(f.Context(), u.key, u.multipart, after)
	if err != nil {
		return s, oci.ErrUploadUnknown
	}
	for i, p := range parts {
		if i == most {
			s.Next = s.Received[i-1].Number
			break
		}
		s.Received = append(s.Received, direct.Part{Number: p.Number, Size: p.Size, SHA256: hex.EncodeToString(p.SHA256)})
	}
	return s, nil
}

func (f *fake) target(u *fakeUpload, p direct.Part) (*direct.Target, error) {
	sum, err := hex.DecodeString(p.SHA256)
	if err != nil {
		return nil, err
	}
	var to string
	var header http.Header
	if u.multipart == "" {
		to, header, err = f.memory.MarkedURL(f.Context(), u.key, p.Size, sum, f.valid)
	} else {
		to, header, err = f.memory.PartURL(f.Context(), u.key, u.multipart, blobs.Part{Number: p.Number, Size: p.Size, SHA256: sum}, f.valid)
	}
	t := direct.Target{Number: p.Number, URL: to, Header: map[string]string{}, Expires: time.Now().Add(f.valid)}
	for name := range header {
		t.Header[name] = header.Get(name)
	}
	return &t, err
}

// upload is all that is about one that has begun.
func (f *fake) upload(r *http.Request, rest string) (any, int, error) {
	id, sign := strings.CutSuffix(rest, "/parts")
	u := f.uploads[id]
	if u == nil {
		return nil, 0, oci.ErrUploadUnknown
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case r.Method == http.MethodDelete:
		delete(f.uploads, id)
		_ = f.memory.Abort(f.Context(), blobs.Upload{Key: u.key})
		return nil, 204, nil
	case sign:
		return f.sign(u, raw)
	case r.Method == http.MethodPut:
		return f.complete(u, raw)
	}
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	if u.State == direct.Verifying {
		f.look(u)
	}
	s, err := f.status(u, after, 3)
	return s, 200, err
}

func (f *fake) sign(u *fakeUpload, raw []byte) (any, int, error) {
	asked, err := direct.ParseSign(raw)
	if err != nil {
		f.Errorf("sign %s: %v", raw, err)
		return nil, 0, err
	}
	if u.State != direct.Open {
		return nil, 0, oci.ErrUploadUnknown
	}
	out, seen := direct.Signed{}, map[int]bool{}
	for _, p := range asked.Parts {
		if seen[p.Number] {
			f.Errorf("part %d is named twice", p.Number)
		}
		seen[p.Number] = true
		if last := int(parts(u.Size, u.PartSize)); u.Size >= 0 && (p.Number > last || p.Number < last && p.Size != u.PartSize) {
			f.Errorf("part %d of %d has %d bytes", p.Number, last, p.Size)
		}
		t, err := f.target(u, p)
		if err != nil {
			return nil, 0, err
		}
		out.Parts = append(out.Parts, *t)
	}
	return out, 200, nil
}

func (f *fake) complete(u *fakeUpload, raw []byte) (any, int, error) {
	asked, err := direct.ParseComplete(raw)
	if err != nil {
		f.Errorf("complete %s: %v", raw, err)
		return nil, 0, err
	}
	if u.Digest != "" && u.Digest != asked.Digest || u.Size >= 0 && u.Size != asked.Size {
		f.Errorf("an upload of %s of %d bytes is completed as %+v", u.Digest, u.Size, asked)
	}
	u.Digest, u.Size = asked.Digest, asked.Size
	u.completed++
	if u.State == direct.Open {
		if err := f.join(u); err != nil {
			return nil, 0, err
		}
		u.State = direct.Verifying
	}
	f.look(u)
	switch u.State {
	case direct.Verifying:
		return location("/v2/team/app/" + direct.Uploads + "/" + u.ID), 202, nil
	case direct.Failed:
		return nil, 0, oci.ErrDigestInvalid.With(map[string]oci.Digest{"found": u.Found}, "the bytes are others")
	}
	return u.Status, 201, nil
}

func (f *fake) join(u *fakeUpload) error {
	if u.multipart == "" {
		if _, _, err := f.memory.Stat(f.Context(), u.key); err != nil {
			return oci.ErrUploadInvalid
		}
		return nil
	}
	var all []blobs.Part
	size := int64(0)
	for after, more := 0, true; more; {
		var page []blobs.Part
		var err error
		if page, more, err = f.memory.Parts(f.Context(), u.key, u.multipart, after); err != nil {
			return oci.ErrUploadUnknown
		}
		for _, p := range page {
			all, size, after = append(all, p), size+p.Size, p.Number
		}
	}
	if size != u.Size {
		return oci.ErrUploadInvalid.With(nil, "there are %d bytes of %d", size, u.Size)
	}
	return f.memory.Join(f.Context(), u.key, u.multipart, all)
}

// look goes on with a verification.
func (f *fake) look(u *fakeUpload) {
	if u.State != direct.Verifying || f.verify != nil && !f.verify(u) {
		return
	}
	sum, err := f.memory.Sum(f.Context(), u.key, u.Size)
	if err != nil {
		f.Errorf("sum: %v", err)
	}
	if found := oci.Digest("sha256:" + hex.EncodeToString(sum)); found != u.Digest {
		u.State, u.Found = direct.Failed, found
		_ = f.memory.Delete(f.Context(), u.key)
		return
	}
	_ = f.memory.Keep(f.Context(), u.key)
	u.State, u.Verified = direct.Done, u.Size
	f.blobs[u.Digest] = u.key
}

// plain takes a blob in one POST, and nothing else.
func (f *fake) plain(r *http.Request, _ string) (any, int, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, 0, err
	}
	d := oci.Digest(r.URL.Query().Get("digest"))
	if int64(len(raw)) > f.small || r.Method != http.MethodPost {
		f.Errorf("%s of %d bytes through the registry", r.Method, len(raw))
	}
	if oci.SHA256.Sum(raw) != d {
		return nil, 0, oci.ErrDigestInvalid
	}
	f.begun++
	key := fmt.Sprintf("blob-%d", f.begun)
	f.blobs[d] = key
	return nil, 201, f.memory.Put(f.Context(), key, raw)
}

// blob sends to the store.
func (f *fake) blob(r *http.Request, rest string) (any, int, error) {
	key := f.blobs[oci.Digest(rest)]
	if key == "" {
		return nil, 0, oci.ErrBlobUnknown
	}
	to, err := f.memory.ReadURL(f.Context(), key, r.Method, f.valid)
	return location(to), http.StatusTemporaryRedirect, err
}

// put publishes a blob without any transfer.
func (f *fake) put(p []byte) oci.Descriptor {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun++
	key, d := fmt.Sprintf("blob-%d", f.begun), describe(p)
	if err := f.memory.Put(context.Background(), key, p); err != nil {
		f.Fatal(err)
	}
	f.blobs[d.Digest] = key
	return d
}
