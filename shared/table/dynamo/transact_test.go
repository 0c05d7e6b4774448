package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/table"
)

var (
	keyA = table.Key{Partition: "repo#a", Sort: "tag#1"}
	keyB = table.Key{Partition: "repo#a", Sort: "tag#2"}
)

// twoActions is a transaction with every part that an update can have.
func twoActions() table.Tx {
	return table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Update(keyA, table.S("z", "1"), table.B("a", []byte{1}), table.N("size", 1<<62)).
			Adding("n", 1).Adding("m", -2).Unsetting("y", "x").Until(time.Unix(2e9, 0)).When(table.Equals(table.S("state", "live"))),
		table.Put(keyB).When(table.Absent()),
	}}
}

func TestTransactSendsAgainAfterConflict(t *testing.T) {
	for _, reason := range []string{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"} {
		synctest.Test(t, func(t *testing.T) {
			var sent []any
			store := newWired(func(r request) answer {
				var body any
				r.into(t, &body)
				if sent = append(sent, body); len(sent) < 5 {
					return cancelled("None", reason)
				}
				return ok(struct{}{})
			}, aws.NopRetryer{})
			tx := twoActions()
			if err := store.Transact(t.Context(), tx); err != nil {
				t.Fatalf("after %s: %v", reason, err)
			}
			if len(sent) != 5 {
				t.Errorf("after %s: got %d requests, want 5", reason, len(sent))
			}
			for _, body := range sent {
				if token := body.(map[string]any)["ClientRequestToken"]; token != tx.Token {
					t.Errorf("token: got %v, want %q", token, tx.Token)
				}
				if !reflect.DeepEqual(body, sent[0]) {
					t.Errorf("the same transaction was sent in another form:\n%v\n%v", body, sent[0])
				}
			}
		})
	}
}

// DynamoDB refuses a token that comes again with other parameters, so that the
// order of attributes in a Tx must not show in what is sent.
func TestTransactIsSentInOneForm(t *testing.T) {
	var sent []string
	store := newWired(func(r request) answer {
		var body struct{ TransactItems any }
		r.into(t, &body)
		canonical, _ := json.Marshal(body)
		sent = append(sent, string(canonical))
		return ok(struct{}{})
	}, aws.NopRetryer{})
	tx := twoActions()
	for range 20 {
		slices.Reverse(tx.Actions[0].Set)
		slices.Reverse(tx.Actions[0].Add)
		slices.Reverse(tx.Actions[0].Unset)
		if err := store.Transact(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	}
	if forms := slices.Compact(sent); len(forms) != 1 {
		t.Errorf("got %d forms of one transaction:\n%s", len(forms), strings.Join(forms, "\n"))
	}
}

func TestTransactAnswers(t *testing.T) {
	isCondition := func(failed ...int) func(error) bool {
		return func(err error) bool {
			got, ok := errors.AsType[*table.ConditionError](err)
			return ok && slices.Equal(got.Failed, failed)
		}
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	unknown := func(err error) bool {
		return err != nil && !errors.Is(err, table.ErrConflict) && !errors.Is(err, table.ErrLimit) && !isCondition(0)(err)
	}
	for _, test := range []struct {
		name     string
		answer   answer
		want     func(error) bool
		requests int
	}{
		{"one condition", cancelled("None", "ConditionalCheckFailed"), isCondition(1), 1},
		{"all conditions", cancelled("ConditionalCheckFailed", "ConditionalCheckFailed"), isCondition(0, 1), 1},
		{"condition and conflict", cancelled("TransactionConflict", "ConditionalCheckFailed"), isCondition(1), 1},
		{"conflict without end", cancelled("TransactionConflict", "None"), is(table.ErrConflict), 16},
		{"grown too large", cancelled("None", "ValidationError"), is(table.ErrLimit), 1},
		{"condition and grown too large", cancelled("ConditionalCheckFailed", "ValidationError"), is(table.ErrLimit), 1},
		{"malformed", failure("ValidationException"), is(table.ErrLimit), 1},
		{"a reason nobody knows", cancelled("None", "Mood"), unknown, 1},
		{"no reasons", cancelled(), unknown, 1},
		{"fault of the service", failure("InternalServerError"), unknown, 1},
		{"other parameters", failure("IdempotentParameterMismatchException"), unknown, 1},
		{"throttled as a whole", failure("ThrottlingException"), unknown, 1},
		{"broken connection", answer{err: io.ErrUnexpectedEOF}, unknown, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				store := newWired(func(request) answer { requests++; return test.answer }, aws.NopRetryer{})
				if err := store.Transact(t.Context(), twoActions()); !test.want(err) {
					t.Errorf("got %v", err)
				}
				if requests != test.requests {
					t.Errorf("got %d requests, want %d", requests, test.requests)
				}
			})
		})
	}
}

// While a first attempt is under way, the SDK's second is told so and tries
// again by itself.
func TestTransactWaitsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []answer{{err: io.ErrUnexpectedEOF}, failure("TransactionInProgressException"), ok(struct{}{})}
		store := newWired(func(request) answer {
			a := answers[0]
			answers = answers[1:]
			return a
		}, impatient())
		if err := store.Transact(t.Context(), twoActions()); err != nil || len(answers) > 0 {
			t.Errorf("got %v with %d answers unheard", err, len(answers))
		}
	})
}

func TestTransactEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the client has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		requests := 0
		store := newWired(func(request) answer { requests++; return cancelled("TransactionConflict", "None") }, aws.NopRetryer{})
		time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
		if err := store.Transact(ctx, twoActions()); !errors.Is(err, cause) {
			t.Errorf("in a pause: got %v, want the cause", err)
		}
		before := requests
		if err := store.Transact(ctx, twoActions()); !errors.Is(err, context.Canceled) {
			t.Errorf("afterwards: got %v, want context.Canceled", err)
		}
		if requests != before {
			t.Error("a request was sent after the context had ended")
		}
	})
}

// A deadline that ends a pause leaves known what is known: nothing has happened,
// because of others. Whoever called can say so to a client, who comes back.
func TestTransactConflictUntilTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		store := newWired(func(request) answer { return cancelled("ThrottlingError", "None") }, aws.NopRetryer{})
		err := store.Transact(ctx, twoActions())
		if !errors.Is(err, table.ErrConflict) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a conflict at the deadline", err)
		}
	})
}

// Sixty-four referrers of one subject: each writes the subject's count, and
// DynamoDB refuses a transaction that meets another under way.
func TestManyWritersOfOneItem(t *testing.T) {
	const writers, latency = 64, 15 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		var busy sync.Mutex
		store := newWired(func(request) answer {
			if !busy.TryLock() {
				return cancelled("TransactionConflict", "None")
			}
			defer busy.Unlock()
			time.Sleep(latency)
			return ok(struct{}{})
		}, aws.NopRetryer{})
		began := time.Now()
		var lost int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				if err := store.Transact(t.Context(), twoActions()); err != nil {
					mu.Lock()
					defer mu.Unlock()
					lost++
				}
			})
		}
		wg.Wait()
		t.Logf("%d writers took %v", writers, time.Since(began))
		if lost > 0 {
			t.Errorf("%d of %d writers gave up", lost, writers)
		}
	})
}
