package transfer

import (
	"fmt"
	"testing"
)

func TestPushAndFetchPlain(t *testing.T) {
	url := serveBerth(t, nil)
	e := newEngine(t, Options{})
	r := open(t, e, url, "team/app")
	for _, size := range []int{0, 1, 4 << 20, 9 << 20} {
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
