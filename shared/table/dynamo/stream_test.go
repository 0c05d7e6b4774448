package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/table"
)

// A consumer is a call of Changes under way, and what it got: the sort keys of
// the changed items.
type consumer struct {
	mu     sync.Mutex
	got    []string
	refuse func(table.Change) error
	stop   func() error
}

// consume begins a call of Changes for the consumer called name.
func (f *fakeStream) consume(name string, refuse func(table.Change) error) *consumer {
	ctx, cancel := context.WithCancel(f.t.Context())
	c := &consumer{refuse: refuse}
	store := newWiredTo("registry", f.wire, aws.NopRetryer{}, slog.New(slog.NewTextHandler(&f.log, nil)))
	ended := make(chan error, 1)
	go func() { ended <- store.Changes(ctx, name, c.deliver) }()
	c.stop = func() error { cancel(); return <-ended }
	f.t.Cleanup(cancel)
	pass(2 * time.Second)
	return c
}

func (c *consumer) deliver(_ context.Context, changes []table.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, change := range changes {
		if c.refuse != nil {
			if err := c.refuse(change); err != nil {
				return err
			}
		}
		c.got = append(c.got, change.Key.Sort)
	}
	return nil
}

func (c *consumer) want(t *testing.T, want ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.got, want) {
		t.Errorf("delivered: got %q, want %q", c.got, want)
	}
}

// pass lets time go by in a bubble, and everybody come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// streamTest runs in a bubble on a stream with these shards.
func streamTest(t *testing.T, run func(*testing.T, *fakeStream), shards ...string) {
	synctest.Test(t, func(t *testing.T) { run(t, newFakeStream(t, shards...)) })
}

func TestChangesOfManyShards(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		for _, w := range [][2]string{{"s1", "a1"}, {"s2", "b1"}, {"s1", "a2"}, {"s1", "a3"}, {"s1", "a4"}, {"s1", "a5"}} {
			f.write(w[0], w[1])
		}
		pass(10 * time.Second)
		slices.Sort(c.got)
		c.want(t, "a1", "a2", "a3", "a4", "a5", "b1")
		if err := c.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}, "s1", "s2")
}

// Children wait for their parents, however they are listed, and a parent's
// last records may come after its end is known.
func TestChangesAcrossSplits(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		pass(5 * time.Second)
		for _, n := range []string{"2", "3", "4", "5", "6"} {
			f.write("s1", n)
		}
		f.split("s1", "s2", "s3")
		f.write("s2", "7")
		f.split("s2", "s4")
		f.write("s4", "8")
		f.split("s4", "s5")
		f.write("s5", "9")
		pass(30 * time.Second)
		c.want(t, "1", "2", "3", "4", "5", "6", "7", "8", "9")

		f.write("s3", "10")
		pass(5 * time.Second)
		c.want(t, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")

		reads := f.count("GetRecords")
		pass(time.Minute)
		if more := f.count("GetRecords") - reads; more > 2*300 {
			t.Errorf("got %d reads in an idle minute of two open shards: are ended ones still read?", more)
		}
	}, "s1")
}

// New shards are looked for now and then, but at once when one has ended.
func TestChildrenAreFoundSoon(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.split("s1", "s2")
		f.write("s2", "1")
		pass(5 * time.Second)
		c.want(t, "1")
	}, "s1")
}

// A consumer that idled for long is awake after the first change.
func TestBurstAfterIdling(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		pass(3 * time.Minute)
		var all []string
		for i := range 40 {
			all = append(all, fmt.Sprint(i))
			f.write("s1", all[i])
		}
		pass(12 * time.Second)
		c.want(t, all...)
	}, "s1")
}

func TestNewConsumerStartsNow(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		f.write("s1", "old")
		f.split("s1", "s2")
		f.write("s2", "older")
		pass(time.Hour)
		f.write("s2", "just before")
		c := f.consume("webhook", nil)
		c.want(t)
		f.write("s2", "new")
		pass(5 * time.Second)
		c.want(t, "new")
		if n := f.shard("s1").sought; n != 0 {
			t.Errorf("a shard that had ended before was looked at %d times", n)
		}
	}, "s1")
}

// Its own first write gives it a number to go on from, where there is but one
// shard.
func TestNewConsumerThatSawOnlyItself(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		f.write("s1", "just before")
		_ = f.consume("webhook", nil).stop()
		f.write("s1", "just after")
		c := f.consume("webhook", nil)
		pass(5 * time.Second)
		c.want(t, "just after")
	}, "s1")
}

// What was read to its end is not read again by later calls.
func TestEndedShardsAreDoneWith(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		pass(5 * time.Second)
		f.split("s1", "s2")
		pass(5 * time.Second)
		_ = c.stop()
		before := f.shard("s1").sought
		c = f.consume("webhook", nil)
		f.write("s2", "2")
		pass(5 * time.Second)
		c.want(t, "2")
		if f.shard("s1").sought != before {
			t.Error("a shard that had been read to its end was looked at again")
		}
	}, "s1")
}

// The first call of a consumer has promised all that was made after it began,
// and the stream has given it no sequence number by which to remember that.
func TestNewConsumerThatSawNothing(t *testing.T) {
	for _, silent := range []bool{false, true} {
		streamTest(t, func(t *testing.T, f *fakeStream) {
			f.silent = silent
			f.write("s1", "old")
			f.write("s2", "old")
			pass(time.Hour)
			_ = f.consume("webhook", nil).stop()
			f.write("s2", "meanwhile")
			f.split("s2", "s3")
			f.write("s3", "and later")
			pass(time.Hour)
			c := f.consume("webhook", nil)
			pass(20 * time.Second)
			c.want(t, "meanwhile", "and later")
		}, "s1", "s2")
	}
}

// An acknowledgement is itself a change of the table. Were it acknowledged in
// its turn, the stream would never come to rest.
func TestAcknowledgementsAreNotAcknowledged(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		a, b := f.consume("a", nil), f.consume("b", nil)
		f.write("s1", "1")
		pass(10 * time.Second)
		writes := f.count("PutItem")
		pass(3 * time.Minute)
		if more := f.count("PutItem") - writes; more != 0 {
			t.Errorf("got %d writes in three idle minutes, want none", more)
		}
		a.want(t, "1")
		b.want(t, "1")
		for name := range f.items {
			if name[:len("consumer#")] != "consumer#" {
				t.Errorf("item %q was written", name)
			}
		}
	}, "s1")
}

func TestChangesGoOnWhereTheyWere(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		refused := errors.New("refused")
		c := f.consume("webhook", func(c table.Change) error {
			if c.Key.Sort == "3" {
				return refused
			}
			return nil
		})
		f.write("s1", "1")
		pass(5 * time.Second)
		f.write("s1", "2")
		f.write("s1", "3")
		pass(5 * time.Second)
		if err := c.stop(); !errors.Is(err, refused) {
			t.Errorf("got %v, want what deliver returned", err)
		}
		c.want(t, "1", "2")

		f.split("s1", "s2")
		f.write("s2", "4")
		c = f.consume("webhook", nil)
		pass(20 * time.Second)
		c.want(t, "2", "3", "4") // 2 was in the run with 3, which was refused
	}, "s1")
}

// A deliver that returns nil is acknowledged even if the caller has gone.
func TestAcknowledgementOutlivesItsContext(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		ctx, cancel := context.WithCancel(t.Context())
		store := newWired(f.wire, aws.NopRetryer{})
		_ = f.consume("webhook", nil).stop()
		f.write("s1", "1")
		err := store.Changes(ctx, "webhook", func(context.Context, []table.Change) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		c := f.consume("webhook", nil)
		f.write("s1", "2")
		pass(5 * time.Second)
		c.want(t, "2")
	}, "s1")
}

// Two streams, one after the other: somebody switched the table's stream off
// and on.
func TestAnotherStream(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		pass(5 * time.Second)
		f.do(func() { f.arn, f.shards = "arn:stream:2", []*fakeShard{{id: "t1"}} })
		f.write("t1", "2")
		pass(time.Minute)
		f.write("t1", "3")
		pass(time.Minute)
		c.want(t, "1", "2", "3")
	}, "s1")
}
