package transfer

import (
	"fmt"
	"testing"
)

func TestPushAndFetchPlain(t *testing.T) {
	url := serveBerth(t, nil)
	e := newEngine(t, Options{})
	r := open(t, e, url, "team/app")
	for _, size := range []int{0, 1, 4 << 20, 4<<20 + 1, 20 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := randomBytes(1, size)
			d, w := describe(p), newCounter()
			way, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, w)
			if err != nil || way != Plain {
				t.Fatalf("push: %q, %v", way, err)
			}
			w.is(t, d, Plain)
			fetched(t, e, r, p, Plain)
			balanced(t, e)
		})
	}
}

func TestStreamPlain(t *testing.T) {
	url := serveBerth(t, nil)
	e := newEngine(t, Options{})
	r := open(t, e, url, "team/app")
	for _, size := range []int{0, 1, streamPart, streamPart + 1, 3 * streamPart} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := randomBytes(2, size)
			s := r.NewStream(t.Context(), -1)
			for rest := p; len(rest) > 0; {
				n, err := s.Write(rest[:min(len(rest), 1<<20-3)])
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if way, err := s.Finish(t.Context(), describe(p).Digest); err != nil || way != Plain {
				t.Fatalf("finish: %q, %v", way, err)
			}
			fetched(t, e, r, p, Plain)
			balanced(t, e)
		})
	}
}
