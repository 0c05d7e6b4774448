package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// pushes pushes bytes and checks that they have got there.
func (f *fake) pushes(r *Repository, p []byte, want Way) *memorySource {
	f.Helper()
	d, w, from := describe(p), newCounter(), &memorySource{t: f, p: p}
	way, err := r.Push(f.Context(), d, from, w)
	if err != nil || way != want {
		f.Fatalf("push of %d bytes: %q, %v, want %q", len(p), way, err, want)
	}
	if want == Direct || want == Plain {
		w.is(f, d, want)
	}
	if !f.isThere(p) {
		f.Errorf("a blob of %d bytes was pushed and is not there", len(p))
	}
	return from
}

func TestPushDirect(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	for _, c := range []struct {
		size               int
		way                Way
		begins, signs, put int
	}{
		{0, Plain, 0, 0, 0}, {1, Plain, 0, 0, 0}, {100, Plain, 0, 0, 0},
		{101, Direct, 1, 0, 1}, {1000, Direct, 1, 0, 1},
		{1001, Direct, 1, 2, 2}, {9999, Direct, 1, 10, 10}, {30_000, Direct, 1, 30, 30},
	} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			from := f.pushes(r, randomBytes(1, c.size), c.way)
			if from.read != int64(c.size) {
				t.Errorf("%d bytes were read of %d", from.read, c.size)
			}
			begins, signs, put := f.called("POST begin"), f.called("sign"), f.called("PUT store")
			if begins != c.begins || put != c.put || signs > c.signs || signs == 0 && c.signs > 0 {
				t.Errorf("%d begins, %d signs, %d sends, want %d, %d at most, %d", begins, signs, put, c.begins, c.signs, c.put)
			}
			balanced(t, e)
		})
	}
	if marked := f.memory.Marked(); len(marked) > 0 {
		t.Errorf("marked as unverified: %q", marked)
	}
}

// Parts that come while one request is under way are signed for by the next.
func TestPartsAreSignedForTogether(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	f.before = func(_ http.ResponseWriter, _ *http.Request, kind string) bool {
		if kind == "sign" {
			time.Sleep(20 * time.Millisecond)
		}
		return false
	}
	f.pushes(r, randomBytes(1, 50_000), Direct)
	if got := f.called("sign"); got > 10 {
		t.Errorf("50 parts were signed for in %d requests", got)
	}
	balanced(t, e)
}

func TestStanding(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	var blobs, manifests []oci.Descriptor
	for i := range 250 {
		d := describe(randomBytes(uint64(i), 200+i))
		if i%2 == 0 {
			d = f.put(randomBytes(uint64(i), 200+i))
		}
		blobs = append(blobs, d)
	}
	for i := range 130 {
		manifests = append(manifests, describe(randomBytes(uint64(1000+i), 10)))
	}
	there := f.put(randomBytes(1000, 10))
	s, err := r.Standing(t.Context(), blobs, manifests, []string{"team/app", "other"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s) != 126 || s[there.Digest] != There || s[blobs[0].Digest] != There || s[blobs[1].Digest] != "" {
		t.Errorf("%d are there, want 126", len(s))
	}
	if got := f.called("POST begin"); got != 3 {
		t.Errorf("250 blobs were asked for in %d requests, want 3", got)
	}
	f.pushes(r, randomBytes(1, 201), Direct)
	if got := f.called("POST begin"); got != 0 {
		t.Errorf("what Standing has begun was begun anew")
	}
}

func TestPushResumes(t *testing.T) {
	f := newFake(t)
	p := randomBytes(3, 20_500)
	ctx, cancel := context.WithCancel(t.Context())
	var sent atomic.Int64
	f.before = func(_ http.ResponseWriter, _ *http.Request, kind string) bool {
		if kind == "PUT store" && sent.Add(1) == 12 {
			cancel()
		}
		return false
	}
	e, r := f.client(Options{Parallel: 1})
	if _, err := r.Push(ctx, describe(p), &memorySource{t: t, p: p}, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("push: %v, want that it was cancelled", err)
	}
	balanced(t, e)
	f.called("PUT store")
	e, r = f.client(Options{}) // as another process would
	from := f.pushes(r, p, Direct)
	if got := f.called("PUT store"); got > 10 {
		t.Errorf("%d parts of 21 were sent again, though 11 were there", got)
	}
	if from.read != int64(len(p)) {
		t.Errorf("%d bytes were read of %d", from.read, len(p))
	}
	balanced(t, e)
}

// What is there under the number of a part is not taken for it.
func TestPushReplacesOtherParts(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	p := randomBytes(4, 5000)
	u := f.uploadOf(t, r, describe(p))
	for n, other := range map[int][]byte{2: randomBytes(5, 1000), 3: p[:10], 4: p[3000:4000]} {
		f.sends(t, u, n, other)
	}
	f.called("PUT store")
	f.pushes(r, p, Direct)
	if got := f.called("PUT store"); got != 4 {
		t.Errorf("%d parts were sent, want 4: one was right", got)
	}
}

// Parts cannot be taken back: with one too many an upload is of no use.
func TestPushWithPartsBehindTheLast(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	p := randomBytes(4, 2500)
	f.sends(t, f.uploadOf(t, r, describe(p)), 4, randomBytes(5, 10))
	f.pushes(r, p, Direct)
	if got := f.called("DELETE upload"); got != 1 {
		t.Errorf("%d uploads were given up, want 1", got)
	}
}

// A registry that misses parts is asked which.
func TestPushOfPartsThatWentMissing(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	f.sick("PUT upload", 1, answering(http.StatusBadRequest, `{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}`))
	f.pushes(r, randomBytes(4, 2500), Direct)
	if begins, sent := f.called("POST begin"), f.called("PUT store"); begins != 2 || sent != 3 {
		t.Errorf("%d begins and %d parts, want 2 and 3", begins, sent)
	}
}

// uploadOf begins an upload and returns it.
func (f *fake) uploadOf(t *testing.T, r *Repository, d oci.Descriptor) *fakeUpload {
	t.Helper()
	b, err := r.beginBlob(r.pushing(t.Context()), d)
	if err != nil {
		t.Fatal(err)
	}
	return f.uploads[b.Upload.ID]
}

// sends sends a part as somebody else would.
func (f *fake) sends(t *testing.T, u *fakeUpload, number int, p []byte) {
	t.Helper()
	target, err := f.target(u, direct.Part{Number: number, Size: int64(len(p)), SHA256: describe(p).Digest.Encoded()})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	for name, value := range target.Header {
		header.Set(name, value)
	}
	if err := f.memory.Send(target.URL, header, p); err != nil {
		t.Fatal(err)
	}
}

func TestTwoPushersOfOneBlob(t *testing.T) {
	f := newFake(t)
	p := randomBytes(6, 20_000)
	var work sync.WaitGroup
	for range 4 {
		e, r := f.client(Options{})
		work.Go(func() {
			if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); err != nil {
				t.Errorf("push: %v", err)
			}
			balanced(t, e)
		})
	}
	work.Wait()
	if !f.isThere(p) {
		t.Error("the blob is not there")
	}
}

// Another pusher has completed the upload while this one sends parts.
func TestPushEndedByAnother(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	p := randomBytes(7, 3000)
	u := f.uploadOf(t, r, describe(p))
	var once sync.Once
	f.before = func(_ http.ResponseWriter, _ *http.Request, kind string) bool {
		if kind == "PUT store" {
			once.Do(func() {
				for n := range 3 {
					f.sends(t, u, n+1, p[n*1000:][:1000])
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				if _, _, err := f.complete(u, []byte(fmt.Sprintf(`{"digest":"%s","size":3000}`, u.Digest))); err != nil {
					t.Error(err)
				}
			})
		}
		return false
	}
	f.pushes(r, p, There)
}

func TestVerificationIsAwaited(t *testing.T) {
	f := newFake(t)
	_, r := f.client(Options{})
	f.verify = func(u *fakeUpload) bool { u.Verified += 500; return u.Verified > u.Size }
	f.pushes(r, randomBytes(8, 3000), Direct)
	for _, u := range f.uploads {
		if u.completed != 1 {
			t.Errorf("completed %d times, want once: it made progress", u.completed)
		}
	}
}

func TestVerificationThatStoppedIsStarted(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	e.pace.idle = 50 * time.Millisecond
	f.verify = func(u *fakeUpload) bool { return u.completed == 3 }
	f.pushes(r, randomBytes(9, 3000), Direct)
	f.verify = func(*fakeUpload) bool { return false }
	p := randomBytes(10, 3000)
	_, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil)
	if !errors.Is(err, errVerifying) {
		t.Errorf("got %v, want an end of it", err)
	}
}

func TestPushOfWrongBytes(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	for _, size := range []int{50, 500, 2500} {
		for name, verify := range map[string]func(*fakeUpload) bool{
			"at once": nil, "later": func(u *fakeUpload) bool { u.Verified++; return u.Verified > 1 },
		} {
			f.verify = verify
			p, right := randomBytes(11, size), randomBytes(12, size)
			d := describe(right)
			_, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, nil)
			if !errors.Is(err, oci.ErrDigestInvalid) && !refusedAs(err, "DIGEST_INVALID") {
				t.Errorf("%d bytes, %s: %v, want DIGEST_INVALID", size, name, err)
			}
			if size > 50 && !strings.Contains(fmt.Sprint(err), "the bytes") {
				t.Errorf("the error does not say what is wrong: %v", err)
			}
			if f.isThere(right) || f.isThere(p) {
				t.Error("wrong bytes were published")
			}
			balanced(t, e)
		}
	}
	f.verify = nil
	f.pushes(r, randomBytes(12, 2500), Direct) // and then the right ones
}

func TestUnknownRegistryIsBotheredOnce(t *testing.T) {
	begins := atomic.Int64{}
	url := serveBerth(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "_berth") || strings.Contains(r.URL.Path, "_oci/ext") {
				begins.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	e := newEngine(t, Options{})
	e.sizes.small = 10
	for i, name := range []string{"a", "b"} {
		r := open(t, e, url, name)
		p := randomBytes(uint64(i), 100)
		d := describe(p)
		var work sync.WaitGroup
		for range 3 {
			work.Go(func() {
				if way, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, nil); err != nil || way != Plain {
					t.Errorf("push: %q, %v", way, err)
				}
			})
		}
		work.Wait()
		s, err := r.Standing(t.Context(), nil, []oci.Descriptor{d}, nil)
		if err != nil || len(s) != 0 {
			t.Fatalf("standing: %v, %v", s, err)
		}
		if s, err = r.Standing(t.Context(), []oci.Descriptor{d}, nil, nil); err != nil || s[d.Digest] != There {
			t.Errorf("standing: %v, %v", s, err)
		}
	}
	if got := begins.Load(); got != 1 {
		t.Errorf("the registry was bothered %d times, want once", got)
	}
}
