package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// A hindrance is what is in the way of one body.
type hindrance struct {
	ctx      context.Context
	cut      int64 // bytes that pass before the connection ends; -1: it does not
	stall    int64 // bytes that pass before nothing does; -1: they go on
	duration time.Duration
	speed    int64 // bytes a second; 0: as they come
	passed   int64 // kept by whoever moves the bytes
}

// newHindrance asks the faults, of these names, what happens to a body of a
// size.
func newHindrance(ctx context.Context, f *faults, size int64, cut, stall, slow string) *hindrance {
	h := &hindrance{ctx: ctx, cut: -1, stall: -1}
	if one, now := f.inBody(cut, size); now {
		h.cut = one.place(size)
	}
	if one, now := f.inBody(stall, size); now {
		h.stall, h.duration = one.place(size), one.Delay
	}
	if one, now := f.inBody(slow, size); now {
		h.speed = one.Speed
	}
	return h
}

// strikes reports whether anything is still to happen.
func (h *hindrance) strikes() bool { return h.cut >= 0 || h.stall >= 0 || h.speed > 0 }

// place is how many bytes of a body pass before the fault strikes: fewer than
// all.
func (one fault) place(size int64) int64 {
	if one.At > 0 {
		return one.At
	}
	return rand.Int64N(size)
}

var errCut = errors.New("the connection is cut here, by a fault")

// allow waits as it must, and says how many of n bytes may pass next.
func (h *hindrance) allow(n int) (int, error) {
	if h.passed == h.stall {
		h.stall = -1
		h.wait(h.duration)
	}
	for _, place := range []int64{h.cut, h.stall} {
		if place >= h.passed {
			n = int(min(int64(n), place-h.passed))
		}
	}
	if h.passed == h.cut {
		return 0, errCut
	}
	if h.speed > 0 {
		n = int(min(int64(n), max(h.speed/10, 1)))
		h.wait(time.Duration(n) * time.Second / time.Duration(h.speed))
	}
	return n, nil
}

func (h *hindrance) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-h.ctx.Done():
	case <-timer.C:
	}
}
