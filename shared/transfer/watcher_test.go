package transfer

import "testing"

// net/http may go on to read a body that it has given up: that counts no more.
func TestTally(t *testing.T) {
	w, d := newCounter(), describe(nil)
	m := &tally{d: d, w: w}
	first, second := &sent{}, &sent{}
	for _, step := range []struct {
		what string
		do   func()
		want int64
	}{
		{"a body", func() { m.begin(first); m.add(first, 5) }, 5},
		{"it anew", func() { m.begin(second); m.add(first, 3); m.add(second, 2) }, 2},
		{"failed", func() { m.settle(0); m.add(second, 7) }, 0},
		{"again", func() { m.begin(first); m.add(first, 1); m.settle(10); m.add(first, 9) }, 10},
		{"more", func() { m.grow(5, false) }, 15},
		{"told", func() { m.grow(5, true) }, 15},
		{"all given up", func() { m.settle(0) }, -5},
	} {
		step.do()
		if got := w.moved[d.Digest]; got != step.want {
			t.Errorf("%s: told of %d, want %d", step.what, got, step.want)
		}
	}
	var none *tally
	none.begin(first)
	none.add(first, 1)
	none.settle(1)
}
