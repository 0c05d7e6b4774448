package tabletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// RunStream holds a stream to the contract of table.Stream. The store that
// open returns beside it is the one whose changes it hands out; others may
// write to the same table meanwhile.
func RunStream(t *testing.T, open func(t *testing.T) (table.Store, table.Stream)) {
	for _, test := range []struct {
		name string
		run  func(*streamFixture)
	}{
		{"a change carries the item before and after", streamImages},
		{"a transaction is one change for each item it wrote", streamTransaction},
		{"what wrote nothing leaves no change", streamNothing},
		{"what was not acknowledged comes again, what was does not", streamAcknowledge},
		{"each consumer gets everything", streamConsumers},
		{"a new consumer gets nothing from before its first call", streamStart},
		{"the changes of an item form a chain", streamChain},
		{"the largest items come through", streamLarge},
		{"it ends with its context", streamEnds},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, stream := open(t)
			test.run(&streamFixture{newFixture(t, store), stream})
		})
	}
}

// patience is how long a change may take to be delivered.
const patience = time.Minute

type streamFixture struct {
	*fixture
	stream table.Stream
}

// A listener is a call of Changes that is under way.
type listener struct {
	*streamFixture
	changes chan table.Change
	seen    map[string]bool
	end     func() error
}

// listen begins a call of Changes and returns when it surely has begun.
// Changes of other tests in the same table are acknowledged and dropped.
// Those of this test go to judge, if there is one, before they are queued.
func (f *streamFixture) listen(consumer string, judge func(table.Change) error) *listener {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	l := &listener{streamFixture: f, changes: make(chan table.Change, 10_000), seen: map[string]bool{}}
	returned, cause := make(chan struct{}), error(nil)
	go func() {
		defer close(returned)
		cause = f.stream.Changes(ctx, consumer, func(_ context.Context, run []table.Change) error {
			return l.take(run, judge)
		})
	}()
	l.end = func() error { cancel(); <-returned; return cause }
	f.Cleanup(func() { _ = l.end() })
	l.awaitStart()
	return l
}

func (l *listener) take(run []table.Change, judge func(table.Change) error) error {
	for _, c := range run {
		if c.Key.Partition != l.partition {
			continue
		}
		if judge != nil {
			if err := judge(c); err != nil {
				return err
			}
		}
		l.changes <- c
	}
	return nil
}

// marker is the sort key of the item that awaitStart writes.
const marker = "marker"

// awaitStart writes a marker again and again until one is delivered: only what
// was written after the call began is promised to a new consumer.
func (l *listener) awaitStart() {
	l.Helper()
	for began := time.Now(); time.Since(began) < patience; {
		l.do(table.Put(l.key(marker)))
		select {
		case c := <-l.changes:
			if c.Key.Sort != marker {
				l.changes <- c // a change that was left over from an earlier call
			}
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	l.Fatal("no change was ever delivered")
}

// next returns the next change that is not one of a marker, and skips what
// comes again.
func (l *listener) next() table.Change {
	l.Helper()
	for {
		select {
		case c := <-l.changes:
			if c.Key.Sort == marker || l.seen[c.ID] {
				continue
			}
			l.seen[c.ID] = true
			if c.ID == "" || time.Since(c.At).Abs() > 5*time.Minute || c.Expired {
				l.Errorf("change of %q: got ID %q, time %v, expired %v", c.Key.Sort, c.ID, c.At, c.Expired)
			}
			return c
		case <-time.After(patience):
			l.Fatal("no change was delivered")
		}
	}
}

// wantImage fails unless the image is the item with this version and these
// attributes, or nil if no version is given.
func (l *listener) wantImage(got *table.Item, key table.Key, version string, attrs ...table.Attr) {
	l.Helper()
	switch {
	case version == "" && got != nil:
		l.Errorf("image: got %.200v, want none", got)
	case version != "" && got == nil:
		l.Errorf("image of %v: got none", key)
	case got != nil:
		if got.Key != key || got.Version != version {
			l.Errorf("image: got %v of version %q, want %v of version %q", got.Key, got.Version, key, version)
		}
		l.wantAttrs(got.Attrs, attrs...)
	}
}

func streamImages(f *streamFixture) {
	l := f.listen(table.NewToken(), nil)
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	put := f.do(table.Put(f.key("a"), table.S("s", "x"), table.B("b", []byte{0, 255}), table.B("nil", nil)))
	update := f.do(table.Update(f.key("a"), table.S("empty", "")).Adding("n", -7).Unsetting("s", "nil").Until(until))
	f.do(table.Delete(f.key("a")))
	before := []table.Attr{table.S("s", "x"), table.B("b", []byte{0, 255}), table.B("nil", nil)}
	after := []table.Attr{table.S("empty", ""), table.B("b", []byte{0, 255}), table.N("n", -7)}

	c := l.next()
	l.wantImage(c.Old, f.key("a"), "")
	l.wantImage(c.New, f.key("a"), put, before...)
	c = l.next()
	l.wantImage(c.Old, f.key("a"), put, before...)
	l.wantImage(c.New, f.key("a"), update, after...)
	if c.New != nil && !c.New.Expires.Equal(until) {
		f.Errorf("expiry: got %v, want %v", c.New.Expires, until)
	}
	c = l.next()
	l.wantImage(c.Old, f.key("a"), update, after...)
	l.wantImage(c.New, f.key("a"), "")
}

func streamTransaction(f *streamFixture) {
	l := f.listen(table.NewToken(), nil)
	first := f.do(table.Put(f.key("updated")), table.Put(f.key("deleted")), table.Put(f.key("checked")))
	for range 3 {
		l.next()
	}
	second := f.do(
		table.Put(f.key("made")), table.Update(f.key("updated")), table.Delete(f.key("deleted")), table.Check(f.key("checked"), table.Exists()),
	)
	got := map[string]table.Change{}
	for range 3 {
		c := l.next()
		got[c.Key.Sort] = c
	}
	for sort, versions := range map[string][2]string{
		"made": {"", second}, "updated": {first, second}, "deleted": {first, ""},
	} {
		l.wantImage(got[sort].Old, f.key(sort), versions[0])
		l.wantImage(got[sort].New, f.key(sort), versions[1])
	}
}

func streamNothing(f *streamFixture) {
	l := f.listen(table.NewToken(), nil)
	f.do(table.Delete(f.key("a")))
	f.do(table.Check(f.key("a"), table.Absent()))
	f.wantFailed(f.try(table.Put(f.key("a")), table.Check(f.key("b"), table.Exists())), 1)
	tx := putTx(f.key("a"))
	f.mustSend(tx)
	f.mustSend(tx)
	f.do(table.Update(f.key("a")))

	if c := l.next(); c.Old != nil || c.New == nil || c.New.Version != tx.Token {
		f.Errorf("first change: got %v to %v, want the put", c.Old, c.New)
	}
	if c := l.next(); c.Old == nil || c.Old.Version != tx.Token || c.New == nil {
		f.Errorf("second change: got %v to %v, want the update", c.Old, c.New)
	}
}

func streamAcknowledge(f *streamFixture) {
	consumer, errRefused := table.NewToken(), errors.New("refused")
	refused := make(chan table.Change, 1)
	l := f.listen(consumer, func(c table.Change) error {
		if c.Key.Sort != "refused" {
			return nil
		}
		refused <- c
		return errRefused
	})
	f.do(table.Put(f.key("taken")))
	if c := l.next(); c.Key.Sort != "taken" {
		f.Fatalf("got %q, want what was put first", c.Key.Sort)
	}
	f.do(table.Put(f.key("refused")))
	first := <-refused
	if err := l.end(); !errors.Is(err, errRefused) {
		f.Errorf("Changes: got %v, want the error of deliver", err)
	}
	f.do(table.Put(f.key("meanwhile")))

	l = f.listen(consumer, nil)
	got := map[string]string{}
	for len(got) < 2 {
		c := l.next()
		got[c.Key.Sort] = c.ID
	}
	if got["refused"] != first.ID || got["meanwhile"] == "" {
		f.Errorf("second call: got %v, want what was refused, as %q, and what was put meanwhile", got, first.ID)
	}
}

func streamConsumers(f *streamFixture) {
	a, b := f.listen(table.NewToken(), nil), f.listen(table.NewToken(), nil)
	f.do(table.Put(f.key("a")))
	if x, y := a.next(), b.next(); x.ID != y.ID || x.Key != f.key("a") {
		f.Errorf("got change %q of %v and %q of %v, want the same", x.ID, x.Key, y.ID, y.Key)
	}
}

// streamStart leaves a change that one consumer is still owed when another
// comes.
func streamStart(f *streamFixture) {
	owed := f.listen(table.NewToken(), func(c table.Change) error {
		if c.Key.Sort == "before" {
			return errors.New("refused")
		}
		return nil
	})
	f.do(table.Put(f.key("before")))
	l := f.listen(table.NewToken(), nil)
	f.do(table.Put(f.key("after")))
	if c := l.next(); c.Key.Sort != "after" {
		f.Errorf("first change: got that of %q, want that after the call began", c.Key.Sort)
	}
	_ = owed.end()
}

func streamChain(f *streamFixture) {
	const rounds, items = 5, 4
	l := f.listen(table.NewToken(), nil)
	race(func(w int) {
		for range rounds {
			f.mustSend(table.Tx{Token: table.NewToken(), Actions: []table.Action{
				table.Update(f.key(fmt.Sprintf("n-%d", w%items))).Adding("n", 1),
			}})
		}
	})
	last := map[string]*table.Item{}
	for range writers * rounds {
		c := l.next()
		if c.New == nil {
			f.Fatalf("got a deletion of %q", c.Key.Sort)
		}
		before := last[c.Key.Sort]
		switch {
		case (before == nil) != (c.Old == nil):
			f.Errorf("%s: got old image %v, want %v", c.Key.Sort, c.Old, before)
		case before != nil && (before.Version != c.Old.Version || before.Num("n")+1 != c.New.Num("n")):
			f.Errorf("%s: got %v to %v, want it to follow %v", c.Key.Sort, c.Old, c.New, before)
		}
		last[c.Key.Sort] = c.New
	}
	for sort, item := range last {
		if got, want := item.Num("n"), int64(writers*rounds/items); got != want {
			f.Errorf("%s at last: got %d, want %d", sort, got, want)
		}
	}
}

// streamLarge compares the changes once all have come: each must have kept
// what it held.
func streamLarge(f *streamFixture) {
	const n = 8
	l := f.listen(table.NewToken(), nil)
	large := func(i int) table.Attr {
		return table.B("large", bytes.Repeat([]byte{byte(i)}, table.MaxItem-4000))
	}
	var changes []table.Change
	for i := range n {
		f.do(table.Put(f.key("a"), large(i)))
		changes = append(changes, l.next())
	}
	for i, c := range changes {
		if c.New == nil || !sameAttrs(c.New.Attrs, table.Attrs{large(i)}) {
			f.Errorf("change %d of a large item came otherwise than it was written", i)
		}
	}
}

func streamEnds(f *streamFixture) {
	l := f.listen(table.NewToken(), nil)
	if err := l.end(); !errors.Is(err, context.Canceled) {
		f.Errorf("Changes: got %v, want context.Canceled", err)
	}
	err := f.stream.Changes(ended(f.T), table.NewToken(), func(context.Context, []table.Change) error { return nil })
	if !errors.Is(err, context.Canceled) {
		f.Errorf("Changes with an ended context: got %v, want context.Canceled", err)
	}
}
