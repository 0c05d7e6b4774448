package dynamo_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/berthregistry/berth/shared/table/dynamo"
)

// A machine that slept finds all its iterators expired.
func TestExpiredIterators(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		expire := func() {
			f.do(func() {
				for _, it := range f.iterators {
					it.expired = true
				}
			})
		}
		f.write("s1", "1")
		pass(5 * time.Second)
		for _, n := range []string{"2", "3", "4"} {
			expire()
			f.write("s1", n)
			pass(5 * time.Second)
		}
		c.want(t, "1", "2", "3", "4")

		// And one that saw nothing since it began: nothing old comes up.
		f.write("s2", "5")
		expire()
		pass(10 * time.Second)
		c.want(t, "1", "2", "3", "4", "5")
		if f.log.Len() > 0 {
			t.Errorf("the log complains of what is no trouble:\n%s", f.log.String())
		}
	}, "s1", "s2")
}

func TestOldShardsAreNotReadAfterExpiry(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		f.write("s2", "old")
		pass(time.Hour)
		c := f.consume("webhook", nil)
		f.do(func() {
			for _, it := range f.iterators {
				it.expired = true
			}
		})
		f.write("s2", "new")
		pass(10 * time.Second)
		c.want(t, "new")
	}, "s1", "s2")
}

// A consumer that was away for more than a day gets what is still there.
func TestTrimmedWhileAway(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		pass(5 * time.Second)
		_ = c.stop()
		f.write("s1", "lost")
		f.trim("s1")
		f.write("s1", "2")
		c = f.consume("webhook", nil)
		pass(10 * time.Second)
		c.want(t, "2")
		if !strings.Contains(f.log.String(), "changes may be lost") {
			t.Errorf("nobody was told of a loss:\n%s", f.log.String())
		}
	}, "s1")
}

func TestTrimmedWhileReading(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		pass(5 * time.Second)
		f.write("s1", "lost")
		f.trim("s1")
		f.write("s1", "2")
		pass(10 * time.Second)
		c.want(t, "1", "2")
	}, "s1")
}

// A whole shard is trimmed while a consumer is away, and another while it is
// being read: their children hold up nobody.
func TestTrimmedShards(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		_ = c.stop()
		f.write("s1", "lost")
		f.split("s1", "s2")
		f.write("s2", "1")
		f.do(func() { f.shards = f.shards[:1] })
		c = f.consume("webhook", nil)
		pass(20 * time.Second)
		c.want(t, "1")

		f.split("s2", "s3")
		f.write("s3", "2")
		f.do(func() { f.shards = f.shards[:1] })
		pass(2 * time.Minute)
		c.want(t, "1", "2")
	}, "s1")
}

// Whatever the services answer, a consumer goes on when they are well again,
// and loses nothing.
func TestChangesThroughTrouble(t *testing.T) {
	for _, op := range []string{"DescribeTable", "DescribeStream", "GetItem", "GetShardIterator", "GetRecords", "PutItem"} {
		for name, fault := range map[string]answer{
			"fault":     failure("InternalServerError"),
			"throttled": failure("LimitExceededException"),
			"broken":    {err: io.ErrUnexpectedEOF},
		} {
			t.Run(op+" "+name, func(t *testing.T) {
				streamTest(t, func(t *testing.T, f *fakeStream) {
					_ = f.consume("webhook", nil).stop()
					f.write("s1", "1")
					began := time.Now()
					f.trouble = func(r request) *answer {
						if r.op == op && time.Since(began) < 20*time.Second {
							return &fault
						}
						return nil
					}
					c := f.consume("webhook", nil)
					f.write("s1", "2")
					pass(time.Minute)
					f.write("s1", "3")
					pass(5 * time.Second)
					c.want(t, "1", "2", "3")
					_ = c.stop()
					f.consume("webhook", nil).want(t) // all of it is acknowledged
				}, "s1")
			})
		}
	}
}

// What was delivered and could not be acknowledged comes again, but only to the
// next call.
func TestUnsavedAcknowledgement(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		pass(5 * time.Second)
		f.trouble = func(r request) *answer {
			if r.op == "PutItem" {
				return &answer{err: io.ErrUnexpectedEOF}
			}
			return nil
		}
		f.write("s1", "2")
		f.split("s1", "s2")
		f.write("s2", "3")
		pass(10 * time.Minute)
		c.want(t, "1", "2") // not 3: it would be acknowledged before 2
		_ = c.stop()
		f.trouble = nil
		c = f.consume("webhook", nil)
		pass(20 * time.Second)
		c.want(t, "2", "3")
	}, "s1")
}

// An acknowledgement that could not be saved is saved as soon as it can be,
// without another change to carry it.
func TestAcknowledgementIsSavedLater(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		began := time.Now()
		f.trouble = func(r request) *answer {
			if r.op == "PutItem" && time.Since(began) < time.Minute {
				return &answer{err: io.ErrUnexpectedEOF}
			}
			return nil
		}
		f.write("s1", "1")
		pass(3 * time.Minute)
		_ = c.stop()
		f.consume("webhook", nil).want(t)
	}, "s1")
}

// Trouble with one shard does not keep the others waiting.
func TestTroubleWithOneShard(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.trouble = func(r request) *answer {
			var in fakeInput
			r.into(t, &in)
			if it := f.iterators[in.ShardIterator]; it != nil && it.shard.id == "s1" {
				a := failure("InternalServerError")
				return &a
			}
			return nil
		}
		f.write("s1", "stuck")
		f.write("s2", "1")
		pass(2 * time.Minute)
		c.want(t, "1")
	}, "s1", "s2")
}

// A new consumer may crash between its first writes: it has not begun then.
func TestCrashWhileBeginning(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		puts := 0
		f.trouble = func(r request) *answer {
			if r.op == "PutItem" {
				if puts++; puts > 1 {
					return &answer{err: io.ErrUnexpectedEOF}
				}
			}
			return nil
		}
		_ = f.consume("webhook", nil).stop()
		f.trouble = nil
		f.write("s1", "before")
		pass(time.Minute)
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		f.write("s2", "2")
		pass(10 * time.Second)
		c.want(t, "1", "2")
	}, "s1", "s2")
}

// One item that somebody broke by hand must not stop all events for good.
func TestUnreadableRecordIsLeftOut(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		c := f.consume("webhook", nil)
		f.write("s1", "1")
		broken := f.write("s1", "broken")
		broken["dynamodb"].(map[string]any)["NewImage"].(jsonItem)["count"] = map[string]any{"N": "1.5"}
		delete(f.write("s1", "empty"), "dynamodb")
		f.write("s1", "2")
		pass(10 * time.Second)
		c.want(t, "1", "2")
	}, "s1")
}

func TestChangesOfNoStream(t *testing.T) {
	store := dynamo.New(dynamodb.New(dynamodb.Options{}), nil, "registry", slog.New(slog.DiscardHandler))
	if err := store.Changes(t.Context(), "webhook", nil); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("without a client: got %v, want an error at once", err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var log strings.Builder
		client := dynamodb.New(dynamodb.Options{
			Region: "eu-central-1", BaseEndpoint: aws.String("http://wire.invalid"), Credentials: anybody,
			HTTPClient: wire(func(request) answer { return ok(map[string]any{"Table": struct{}{}}) }),
		})
		store := dynamo.New(client, newStreams("http://wire.invalid"), "registry", slog.New(slog.NewTextHandler(&log, nil)))
		if err := store.Changes(ctx, "webhook", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("table without a stream: got %v, want to wait for one", err)
		}
		if n := strings.Count(log.String(), "has no stream"); n < 3 || n > 30 {
			t.Errorf("got %d complaints in a minute:\n%s", n, log.String())
		}
	})
}
