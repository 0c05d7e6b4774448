package stream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

func TestBatchingWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		b := start(t, f, &consumer{}, Config{BatchSize: 4, MaximumBatchingWindow: 10 * time.Second})
		f.write("s", "1")
		pass(5 * time.Second)
		b.want(t)
		f.write("s", "2")
		pass(6 * time.Second)
		b.want(t, "1,2")
		f.write("s", "3", "4", "5", "6", "7") // a full batch does not wait
		pass(time.Second)
		b.want(t, "1,2", "3,4,5,6")
		pass(11 * time.Second)
		b.want(t, "1,2", "3,4,5,6", "7")
	})
}

// A batch stays below what a function may be handed.
func TestBatchesBelowPayloadLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		for i := range 20 {
			r := fakeRecord(fmt.Sprint(i))
			r.Dynamodb.NewImage = map[string]types.AttributeValue{"b": &types.AttributeValueMemberB{Value: make([]byte, 300<<10)}}
			f.all["s"].records = append(f.all["s"].records, r)
		}
		b := start(t, f, &consumer{}, Config{})
		pass(time.Minute)
		got := 0
		for _, batch := range b.seen {
			got += len(strings.Split(batch, ","))
		}
		if got != 20 || len(b.seen) != 2 {
			t.Errorf("%d records in %d batches, want 20 in 2", got, len(b.seen))
		}
	})
}

func TestEventIsBelowPayloadLimit(t *testing.T) {
	m := &Mapping{Config: Config{BatchSize: 100}}
	records := make([]record, 20)
	for i := range records {
		records[i].json = []byte(strings.Repeat("x", maxPayload/10))
	}
	n, full := m.fits(records)
	if size := len(event(records[:n])); !full || n != 9 || size > maxPayload {
		t.Errorf("%d records of %d bytes, full %v; want 9 below the limit", n, size, full)
	}
}

func TestStartingPositions(t *testing.T) {
	for position, want := range map[string][]string{TrimHorizon: {"old", "new"}, Latest: {"new"}} {
		bubble(t, func(t *testing.T) {
			f := newFakeStream("s")
			f.write("s", "old")
			b := start(t, f, &consumer{}, Config{StartingPosition: position})
			pass(time.Second)
			f.write("s", "new")
			pass(time.Second)
			b.want(t, want...)
		})
	}
	if _, err := New(Config{StartingPosition: "AT_TIMESTAMP"}); err == nil {
		t.Error("a starting position that streams don't have is taken")
	}
}

// Shards that have children hold nothing for who begins with the latest.
func TestLatestSkipsParents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s1")
		f.write("s1", "1")
		f.close("s1")
		f.open("s2", "s1")
		f.write("s2", "2")
		b := start(t, f, &consumer{}, Config{StartingPosition: Latest})
		pass(time.Second)
		f.write("s2", "3")
		pass(time.Second)
		b.want(t, "3")
	})
}

// A child is read when all of its parent is delivered, and is found without
// waiting for the next look at all shards.
func TestParentsComeFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s1")
		f.write("s1", "1", "2")
		b := start(t, f, &consumer{answers: list(fails, fails)}, Config{})
		pass(time.Second / 2)
		f.close("s1")
		f.open("s2", "s1")
		f.write("s2", "3")
		f.open("s3", "s2")
		f.write("s3", "4")
		f.close("s2")
		pass(5 * time.Second)
		b.want(t, "1,2", "1,2", "1,2", "3", "4")
		if got, want := places(t, b.m), (map[string]string{"s1": "2 done", "s2": "3 done", "s3": "4"}); !maps.Equal(got, want) {
			t.Errorf("the checkpoints are %v, want %v", got, want)
		}
	})
}

// A function that fails for one shard goes on with another.
func TestShardsDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s1", "s2")
		b := start(t, f, &consumer{always: failsOn("bad")}, Config{})
		f.write("s1", "bad")
		pass(time.Second)
		f.write("s2", "1")
		pass(time.Minute)
		if !slices.Contains(b.seen, "1") {
			t.Errorf("got the batches %q, want 1 among them", b.seen)
		}
	})
}

// Iterators that expired, a stream that errs, and shards that come and go lose
// and repeat nothing.
func TestTroubleWithTheStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s1")
		b := start(t, f, &consumer{}, Config{StartingPosition: Latest})
		trouble := map[string]func(){
			"expired":  func() { f.expire = true },
			"throttle": func() { f.err = errors.New("throttled") },
		}
		pass(time.Second)
		n := 0
		for name, begin := range trouble {
			f.mu.Lock()
			begin()
			f.mu.Unlock()
			n++
			f.write("s1", fmt.Sprint(n))
			pass(time.Minute)
			f.mu.Lock()
			f.err = nil
			f.mu.Unlock()
			pass(2 * time.Minute)
			if len(b.seen) != n {
				t.Errorf("%s: got the batches %q, want %d", name, b.seen, n)
			}
		}
		f.mu.Lock()
		delete(f.all, "s1")
		f.order = nil
		f.mu.Unlock()
		f.open("s2", "s1")
		f.write("s2", "last")
		pass(time.Minute)
		b.want(t, "1", "2", "last")
		if got, want := places(t, b.m), (map[string]string{"s2": "last"}); !maps.Equal(got, want) {
			t.Errorf("the checkpoints are %v, want %v", got, want)
		}
	})
}

// A mapping that is started again goes on where its checkpoints are, delivers
// again what it did not come to the end of, and does not care for its starting
// position any more.
func TestCheckpointsSurvive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := checkpointFile(t)
		config := Config{StartingPosition: Latest, Checkpoints: file, BatchSize: 2}
		f := newFakeStream("s1", "s2")
		f.write("s1", "old")
		pass(10 * time.Second) // as a time, LATEST is no finer than seconds
		first := start(t, f, &consumer{always: failsOn("3")}, config)
		pass(time.Second)
		f.write("s1", "1", "2", "3")
		pass(time.Minute)
		first.stop()
		f.write("s1", "4")
		f.write("s2", "5") // of which nothing was seen before
		second := start(t, f, &consumer{}, config)
		pass(time.Second)
		slices.Sort(second.seen)
		second.want(t, "3,4", "5")
		second.stop()
		third := start(t, f, &consumer{}, config)
		pass(time.Minute)
		third.want(t)
	})
}

// What is filtered out is done with: it is not read again.
func TestFilteredRecordsAreNoted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		f.write("s", "a1", "b1", "a2", "b2")
		b := start(t, f, &consumer{}, Config{Filters: []string{
			`{"eventName":["INSERT"],"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"a"}]}}}}`,
			`{"eventName":["REMOVE"]}`,
		}})
		pass(time.Second)
		b.want(t, "a1,a2")
		if got := places(t, b.m)["s"]; got != "b2" {
			t.Errorf("the checkpoint is at %q, want b2", got)
		}
		f.write("s", "b3")
		pass(time.Second)
		if got, s := places(t, b.m)["s"], b.m.Stats(); got != "b3" || s.Filtered != 3 || s.Records != 2 {
			t.Errorf("the checkpoint is at %q, want b3; %+v", got, s)
		}
	})
}
