package transfer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func TestFetchByRanges(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	for _, size := range []int{0, 1, 699, 700, 701, 9999} {
		p := randomBytes(uint64(size), size)
		f.put(p)
		want := Direct
		if size == 0 {
			want = Plain // nothing is asked for
		}
		fetched(t, e, r, p, want)
		if got := f.called("GET blob"); got > 1 {
			t.Errorf("%d bytes: the registry was asked %d times", size, got)
		}
		if got, want := f.called("GET store"), (size+699)/700; got != want {
			t.Errorf("%d bytes: the store was asked %d times, want %d", size, got, want)
		}
		balanced(t, e)
	}
}

// What gave access expires, and is asked for once more however many notice.
func TestFetchAsksAnewOnce(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	p := randomBytes(1, 30_000)
	f.put(p)
	var mu sync.Mutex
	first, served := "", 0
	f.before = func(w http.ResponseWriter, r *http.Request, kind string) bool {
		if kind != "GET store" {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if first == "" {
			first = r.URL.RawQuery
		}
		if served++; served > 10 && r.URL.RawQuery == first {
			answering(http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>")(w, r)
			return true
		}
		return false
	}
	fetched(t, e, r, p, Direct)
	if got := f.called("GET blob"); got != 2 {
		t.Errorf("the registry was asked %d times, want 2", got)
	}
	balanced(t, e)
}

func TestFetchOfOtherRegistries(t *testing.T) {
	p := randomBytes(1, 9000)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(p)
	_ = z.Close()
	for name, c := range map[string]struct {
		p      []byte
		answer func(w http.ResponseWriter, r *http.Request, p []byte) bool
		gets   int
	}{
		"ranges": {p, nil, 13},
		"no ranges": {p, func(w http.ResponseWriter, _ *http.Request, p []byte) bool {
			_, _ = w.Write(p)
			return true
		}, 1},
		"no length": {p, func(w http.ResponseWriter, _ *http.Request, p []byte) bool {
			_, _ = w.Write(p[:10])
			w.(http.Flusher).Flush()
			_, _ = w.Write(p[10:])
			return true
		}, 1},
		"said to be compressed": {zipped.Bytes(), func(w http.ResponseWriter, _ *http.Request, p []byte) bool {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(p)
			return true
		}, 1},
		"a digest that lies": {p, func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.Header().Set("Docker-Content-Digest", string(describe(nil).Digest))
			return false
		}, 13},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			o.blobs[describe(c.p).Digest] = c.p
			gets := 0
			var mu sync.Mutex
			o.before = func(w http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				gets++
				mu.Unlock()
				if r.Header.Get("Accept-Encoding") != "identity" {
					t.Errorf("Accept-Encoding is %q", r.Header.Get("Accept-Encoding"))
				}
				return c.answer != nil && c.answer(w, r, c.p)
			}
			e, r := o.client(Options{})
			fetched(t, e, r, c.p, Plain)
			if gets != c.gets {
				t.Errorf("it took %d requests, want %d", gets, c.gets)
			}
			balanced(t, e)
		})
	}
}

// A registry that knows no ranges and cuts is read from the beginning, or goes on
// if it has learnt ranges.
func TestFetchOfOneStreamGoesOn(t *testing.T) {
	p := randomBytes(1, 9000)
	for _, learns := range []bool{false, true} {
		o := newOther(t)
		o.blobs[describe(p).Digest] = p
		n := 0
		o.before = func(w http.ResponseWriter, r *http.Request) bool {
			if n++; learns && n > 1 {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(p)))
			_, _ = w.Write(p[:min(n*1500, len(p))])
			return true
		}
		e, r := o.client(Options{})
		fetched(t, e, r, p, Plain)
		if n < 2 || learns && n > 2 {
			t.Errorf("it took %d requests", n)
		}
		balanced(t, e)
	}
}

func TestFetchGoesOnAfterThePrefix(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	p := randomBytes(1, 9000)
	d := f.put(p)
	wrong := bytes.Clone(p[:8000])
	wrong[17]++
	for name, c := range map[string]struct {
		had          []byte
		resets, gets int
	}{
		"some":           {p[:8000], 0, 2},
		"all":            {p, 0, 0},
		"wrong":          {wrong, 1, 2 + 13},
		"too many":       {append(bytes.Clone(p), 1), 1, 13},
		"all, but wrong": {append(bytes.Clone(wrong), p[8000:]...), 1, 13},
	} {
		t.Run(name, func(t *testing.T) {
			from, _ := r.Blob(t.Context(), d)
			defer from.Close()
			to, w := &memorySink{t: t, had: c.had}, newCounter()
			if err := e.Fetch(t.Context(), d, from, to, w); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(to.got.Bytes(), p) || !to.committed || to.resets != c.resets {
				t.Errorf("%d bytes, committed %v, %d resets, want %d", to.got.Len(), to.committed, to.resets, c.resets)
			}
			if got := f.called("GET store"); got != c.gets {
				t.Errorf("the store was asked %d times, want %d", got, c.gets)
			}
			if w.moved[d.Digest] != d.Size {
				t.Errorf("the watcher was told of %d bytes, want %d", w.moved[d.Digest], d.Size)
			}
			balanced(t, e)
		})
	}
}

// full is a Sink that has no more room.
type full struct{ *memorySink }

var errFull = errors.New("no space left on device")

func (f full) Write(p []byte) (int, error) {
	if f.got.Len() > 3000 {
		return 0, errFull
	}
	return f.memorySink.Write(p)
}

func TestFetchFails(t *testing.T) {
	p := randomBytes(1, 9000)
	d := describe(p)
	ranges := func(header string, n int) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Range", header)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, n))
			return true
		}
	}
	status := func(n int, header ...string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool { answering(n, "", header...)(w, r); return true }
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request) bool
		want   error
		tells  string
	}{
		"other bytes": {func(w http.ResponseWriter, r *http.Request) bool { _, _ = w.Write(make([]byte, 9000)); return true }, oci.ErrDigestInvalid, ""},
		"fewer bytes": {func(w http.ResponseWriter, r *http.Request) bool { _, _ = w.Write(p[:100]); return true }, oci.ErrSizeInvalid, "has 100"},
		"more bytes": {func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", "9001")
			_, _ = w.Write(append(bytes.Clone(p), 0))
			return true
		}, oci.ErrSizeInvalid, "has 9001"},
		"another range":   {ranges("bytes 100-799/9000", 700), errAnswer, "sent 100-799"},
		"a larger range":  {ranges("bytes 0-700/9000", 701), errAnswer, "sent 0-700"},
		"another size":    {ranges("bytes 0-699/9001", 700), oci.ErrSizeInvalid, "has 9001"},
		"no range":        {ranges("", 700), errAnswer, "Content-Range"},
		"a strange range": {ranges("bytes 0-699/-1", 700), errAnswer, "Content-Range"},
		"not there":       {status(404), nil, "404"},
		"never there":     {status(503), nil, "tried 8 times"},
		"sent nowhere":    {status(307), errAnswer, "without a Location"},
		"sent to a file":  {status(307, "Location", "file:///etc/passwd"), errAnswer, "no URL of HTTP"},
		"sent around": {func(w http.ResponseWriter, r *http.Request) bool {
			to := "localhost"
			if strings.HasPrefix(r.Host, to) {
				to = "127.0.0.1"
			}
			_, port, _ := strings.Cut(r.Host, ":")
			w.Header().Set("Location", "http://"+to+":"+port+"/x")
			w.WriteHeader(http.StatusFound)
			return true
		}, errAnswer, "sent on more than"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			o.before = func(w http.ResponseWriter, r *http.Request) bool { return c.answer(w, r) }
			e, r := o.client(Options{})
			from, _ := r.Blob(t.Context(), d)
			defer from.Close()
			to := &memorySink{t: t}
			err := e.Fetch(t.Context(), d, from, to, nil)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.tells) {
				t.Errorf("got %v, want %v that tells %q", err, c.want, c.tells)
			}
			if to.committed || !to.closed || name == "other bytes" && (to.got.Len() > 0 || to.resets != 1) {
				t.Errorf("the sink has %d bytes, committed %v, closed %v", to.got.Len(), to.committed, to.closed)
			}
			balanced(t, e)
		})
	}
}

func TestFetchToAFullDisk(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	d := f.put(randomBytes(1, 9000))
	from, _ := r.Blob(t.Context(), d)
	defer from.Close()
	to := full{&memorySink{t: t}}
	if err := e.Fetch(t.Context(), d, from, to, nil); !errors.Is(err, errFull) {
		t.Errorf("got %v, want that it is full", err)
	}
	if to.resets > 0 || to.got.Len() == 0 || to.committed {
		t.Errorf("what fitted is not kept: %d bytes", to.got.Len())
	}
	balanced(t, e)
}

// From one registry to another: nothing is on a disk here, and all of it moves
// though there are hardly any buffers.
func TestCopyBetweenRegistries(t *testing.T) {
	for name, ranged := range map[string]bool{"ranges": true, "no ranges": false} {
		t.Run(name, func(t *testing.T) {
			src, f, plain := newOther(t), newFake(t), newOther(t)
			e, to := f.client(Options{})
			e.sizes.remote = 700
			e.budget = newBudget(3 * leastBuffer)
			e.learn(strings.TrimPrefix(plain.url, "http://"), false)
			if !ranged {
				src.before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method != http.MethodGet {
						return false
					}
					r.Header.Del("Range")
					return false
				}
			}
			r, other := open(t, e, src.url, "team/app"), open(t, e, plain.url, "team/app")
			var work sync.WaitGroup
			for i := range 6 {
				p := randomBytes(uint64(i), 12_345)
				d := describe(p)
				src.mu.Lock()
				src.blobs[d.Digest] = p
				src.mu.Unlock()
				for _, target := range []*Repository{to, other} {
					work.Go(func() {
						from, err := r.Blob(t.Context(), d)
						if err != nil {
							t.Error(err)
							return
						}
						defer from.Close()
						if _, err := target.Push(t.Context(), d, from, nil); err != nil {
							t.Errorf("push: %v", err)
						}
					})
				}
			}
			work.Wait()
			balanced(t, e)
		})
	}
}
