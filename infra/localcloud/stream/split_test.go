package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// What one shard has is read as several. A part that fails holds up no other, and
// each change is delivered.
func TestSplit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		var all []string
		for i := range 40 {
			all = append(all, fmt.Sprint(i))
		}
		f.write("s", all...)
		poisoned := true
		b := start(t, f, &consumer{always: func(sequences []string) (Answer, error) {
			return Answer{Failed: poisoned && slices.Contains(sequences, "0")}, nil
		}}, Config{Shards: 4, BatchSize: 1})
		pass(time.Minute)
		before := b.m.Stats().Records
		if before < 20 || before > 39 {
			t.Errorf("%d records are delivered behind the one that fails, want those of the other parts", before)
		}
		b.consumer.mu.Lock()
		poisoned = false
		b.consumer.mu.Unlock()
		pass(time.Hour)
		if s := b.m.Stats(); s.Records != 40 {
			t.Errorf("got %+v, want all of the records", s)
		}
	})
}

// A message about what was given up names the shard that the stream has.
func TestSplitLetter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		f.write("s", "1")
		b := start(t, f, &consumer{always: failsOn("1")}, Config{Shards: 4, MaximumRetryAttempts: new(int)})
		pass(time.Minute)
		if want := []string{"s"}; !slices.Equal(b.lost, want) {
			t.Errorf("letters are about the shards %q, want %q", b.lost, want)
		}
	})
}

// The parts of a child wait for those of its parent.
func TestSplitChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		f.write("s", "1", "2", "3")
		f.close("s")
		f.open("child", "s")
		f.write("child", "4", "5", "6")
		b := start(t, f, &consumer{}, Config{Shards: 2})
		pass(time.Minute)
		if s := b.m.Stats(); s.Records != 6 {
			t.Errorf("got %+v, want all six", s)
		}
	})
}
