package webhook

import (
	"container/heap"
	"slices"
	"strings"
	"time"
)

// Lines are the events that wait, by what they are in order within. Of each line
// one event is sent at a time: the first, until it is taken or given up.
type lines struct {
	byName map[string]*line
	idle   idleLines
	size   int // of events, those that are being sent included
}

// A line is what waits behind each other. There is none without an event.
type line struct {
	name    string
	waiting []entry // in order
	sent    string  // the event that is being sent, "" if none
	at      int     // in idle, -1 if it is not
}

func newLines() *lines { return &lines{byName: map[string]*line{}} }

// add puts an event into its line. One that is there already is not added again.
func (ls *lines) add(e entry) {
	l := ls.byName[e.line]
	if l == nil {
		l = &line{name: e.line, at: -1}
		ls.byName[e.line] = l
	}
	i, there := slices.BinarySearchFunc(l.waiting, e, func(a, b entry) int { return strings.Compare(a.event, b.event) })
	if there || l.sent == e.event {
		return
	}
	l.waiting = slices.Insert(l.waiting, i, e)
	ls.size++
	ls.settle(l)
}

// settle puts a line where it belongs: among the idle ones if it waits for its
// time, nowhere if it is empty.
func (ls *lines) settle(l *line) {
	switch {
	case l.sent != "":
	case len(l.waiting) == 0:
		if l.at >= 0 {
			heap.Remove(&ls.idle, l.at)
		}
		delete(ls.byName, l.name)
	case l.at >= 0:
		heap.Fix(&ls.idle, l.at)
	default:
		heap.Push(&ls.idle, l)
	}
}

// next is when the next event is to be sent. It is false if none waits.
func (ls *lines) next() (time.Time, bool) {
	if len(ls.idle) == 0 {
		return time.Time{}, false
	}
	return ls.idle[0].waiting[0].next, true
}

// take takes out the event whose time came first. Its line waits for it to be
// done.
func (ls *lines) take() entry {
	l := heap.Pop(&ls.idle).(*line)
	e := l.waiting[0]
	l.waiting[0] = entry{} // for the collector
	l.waiting, l.sent = l.waiting[1:], e.event
	return e
}

// done ends what take began. With again the event waits for another time.
func (ls *lines) done(e entry, again bool) {
	l := ls.byName[e.line]
	l.sent = ""
	ls.size--
	ls.settle(l)
	if again {
		ls.add(e)
	}
}

// forget drops all that waits. It is in the table.
func (ls *lines) forget() {
	for _, l := range ls.byName {
		ls.size -= len(l.waiting)
		l.waiting = nil
		ls.settle(l)
	}
}

// idleLines is a heap of those lines of which nothing is being sent, by the time
// of their first event and then by the event.
type idleLines []*line

func (h idleLines) Len() int { return len(h) }

func (h idleLines) Less(i, j int) bool {
	a, b := h[i].waiting[0], h[j].waiting[0]
	if c := a.next.Compare(b.next); c != 0 {
		return c < 0
	}
	return a.event < b.event
}

func (h idleLines) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface.
func (h *idleLines) Push(x any) {
	l := x.(*line)
	l.at = len(*h)
	*h = append(*h, l)
}

// Pop implements heap.Interface.
func (h *idleLines) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h, l.at = old[:len(old)-1], -1
	return l
}
