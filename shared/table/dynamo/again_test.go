package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// again asks for the records from first to last of the shard s1, and returns the
// sort keys of what is delivered.
func (f *fakeStream) again(first, last int) (got []string, err error) {
	store := newWiredTo("registry", f.wire, aws.NopRetryer{}, slog.New(slog.DiscardHandler))
	span := dynamo.Span{Stream: f.arn, Shard: "s1", First: fmt.Sprintf("%021d", first), Last: fmt.Sprint(last)}
	err = store.Again(f.t.Context(), span, func(_ context.Context, changes []table.Change) error {
		for _, c := range changes {
			got = append(got, c.Key.Sort)
		}
		return nil
	})
	return got, err
}

// nine writes nine changes whose sequence numbers are their names, all but the
// fourth into the shard s1.
func (f *fakeStream) nine() {
	for i := 1; i <= 9; i++ {
		shard := "s1"
		if i == 4 {
			shard = "s2"
		}
		f.write(shard, fmt.Sprint(i))
	}
}

// A span is what it says and no more, and is there as often as it is asked for:
// also when nothing follows it, or the shard has ended.
func TestAgain(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		f.nine()
		for range 2 {
			for _, tt := range []struct {
				first, last int
				want        []string
			}{{2, 6, []string{"2", "3", "5", "6"}}, {3, 3, []string{"3"}}, {1, 9, []string{"1", "2", "3", "5", "6", "7", "8", "9"}}, {9, 9, []string{"9"}}} {
				if got, err := f.again(tt.first, tt.last); err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("from %d to %d: got %q, %v, want %q", tt.first, tt.last, got, err, tt.want)
				}
			}
			f.split("s1", "s3")
		}
	}, "s1", "s2")
}

// What the stream has no more it says, from when on it has the rest, and delivers
// that.
func TestAgainOfWhatIsTrimmed(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		written := time.Now()
		f.nine()
		f.do(func() {
			sh := f.shard("s1")
			sh.trimmed, sh.records = 5, slices.DeleteFunc(sh.records, func(r fakeRecord) bool { return r.sequence <= 5 })
		})
		got, err := f.again(2, 7)
		trimmed, ok := err.(*dynamo.TrimmedError) // and nothing around it
		if !ok || !trimmed.Since.Equal(written) || !slices.Equal(got, []string{"6", "7"}) {
			t.Errorf("got %q, %v", got, err)
		}
		if got, err := f.again(6, 7); err != nil || len(got) != 2 {
			t.Errorf("of what is there still: got %q, %v", got, err)
		}
		gone := func(when string) {
			got, err := f.again(2, 7)
			if trimmed, ok := err.(*dynamo.TrimmedError); !ok || !trimmed.Since.IsZero() || len(got) != 0 {
				t.Errorf("%s: got %q, %v", when, got, err)
			}
		}
		f.trim("s1")
		f.split("s1", "s3")
		gone("all records are trimmed")
		f.do(func() { f.shards = f.shards[:1] })
		gone("the shard is gone")
	}, "s1", "s2")
}

// One record that cannot be read does not keep the others.
func TestAgainOfWhatCannotBeRead(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		f.nine()
		f.do(func() { delete(f.shard("s1").records[1].json, "eventID") })
		got, err := f.again(1, 5)
		if err == nil || !strings.Contains(err.Error(), "lacks its id") || !slices.Equal(got, []string{"1", "3", "5"}) {
			t.Errorf("got %q, %v", got, err)
		}
		f.do(func() { delete(f.shard("s1").records[0].json, "dynamodb") })
		if got, err := f.again(1, 3); err == nil || !slices.Equal(got, []string{"3"}) {
			t.Errorf("got %q, %v", got, err)
		}
	}, "s1", "s2")
}

func TestAgainEnds(t *testing.T) {
	streamTest(t, func(t *testing.T, f *fakeStream) {
		f.nine()
		// A last one that never comes.
		if got, err := f.again(8, 12); err == nil || !strings.Contains(err.Error(), "without the end") || len(got) != 2 {
			t.Errorf("got %q, %v", got, err)
		}
		refused := errors.New("no more")
		store := newWiredTo("registry", f.wire, aws.NopRetryer{}, slog.New(slog.DiscardHandler))
		calls := 0
		err := store.Again(t.Context(), dynamo.Span{Stream: f.arn, Shard: "s1", First: "1", Last: "9"}, func(context.Context, []table.Change) error {
			calls++
			return refused
		})
		if !errors.Is(err, refused) || calls != 1 {
			t.Errorf("got %v after %d calls", err, calls)
		}
		f.do(func() { f.trouble = func(request) *answer { a := failure("InternalServerError"); return &a } })
		if _, err := f.again(1, 2); err == nil || !strings.Contains(err.Error(), "read shard s1 again") {
			t.Errorf("got %v", err)
		}
	}, "s1", "s2")
}
