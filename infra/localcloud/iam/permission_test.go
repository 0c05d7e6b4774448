package iam_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/s3"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// A ledger notes what a proxy has decided.
type ledger struct {
	mu               sync.Mutex
	allowed, refused map[string]bool // actions
}

func newLedger() *ledger {
	return &ledger{allowed: map[string]bool{}, refused: map[string]bool{}}
}

func (l *ledger) note(u iam.Use) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u.Principal != "push" || !strings.HasPrefix(u.Resource, "arn:aws:") {
		panic(fmt.Sprintf("used: got %+v", u))
	}
	if u.Allowed {
		l.allowed[u.Action] = true
	} else {
		l.refused[u.Action] = true
	}
}

// list is what has been decided one way or the other. A driver that has been
// stopped may still have a request on its way.
func (l *ledger) list(allowed bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	set := l.refused
	if allowed {
		set = l.allowed
	}
	return strings.Join(slices.Sorted(maps.Keys(set)), " ")
}

// without is the list but for one.
func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}

// wantDenied fails unless err tells of a refusal of one action, and the ledger
// of none but that.
func wantDenied(t *testing.T, err error, used *ledger, action string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), action) {
		t.Errorf("got error %v, want a refusal of %s", err, action)
	}
	if got := used.list(false); got != action {
		t.Errorf("refused was %q, want %q", got, action)
	}
}

// The table's driver needs each permission that its comment asks for, and says
// so where one is missing.
func TestEachTablePermission(t *testing.T) {
	name := newTable(t)
	run := func(t *testing.T, actions []string) (*ledger, error) {
		used := newLedger()
		c := newConfig(t, iam.DynamoDB, service(t, dynamoVariable), policy(t, actions, tableARN(name), tableARN(name)+"/stream/*"))
		c.Used = used.note
		address := serve(t, c)
		trouble := make(troubles, 100)
		store := dynamo.New(newClient(address, session), newStreams(address), name, slog.New(trouble))
		return used, useTable(t, store, trouble)
	}
	t.Run("all", func(t *testing.T) {
		used, err := run(t, dynamoActions)
		if got, want := used.list(true), strings.Join(slices.Sorted(slices.Values(dynamoActions)), " "); err != nil || got != want {
			t.Errorf("used: got %s, %v\nwant %s", got, err, want)
		}
	})
	for _, action := range dynamoActions {
		t.Run(action, func(t *testing.T) {
			used, err := run(t, without(dynamoActions, action))
			wantDenied(t, err, used, action)
		})
	}
}

// useTable makes every kind of call that the driver has, and joins what goes
// wrong.
func useTable(t *testing.T, store *dynamo.Store, trouble troubles) error {
	key := func(sort string) table.Key { return table.Key{Partition: "permission#" + t.Name(), Sort: sort} }
	ctx := t.Context()
	_, get := store.Get(ctx, key("absent"))
	if errors.Is(get, table.ErrAbsent) {
		get = nil
	}
	_, many := store.GetMany(ctx, []table.Key{key("a"), key("b")})
	_, query := store.Query(ctx, table.Query{Partition: key("a").Partition, Prefix: "a", Limit: 1})
	failed := []error{get, many, query}
	for _, action := range []table.Action{
		table.Put(key("a"), table.N("n", 1)), table.Update(key("a")).Adding("n", 1),
		table.Delete(key("a")), table.Check(key("b"), table.Absent()),
	} {
		failed = append(failed, store.Transact(ctx, table.Tx{Token: table.NewToken(), Actions: []table.Action{action}}))
	}
	return errors.Join(append(failed, listen(ctx, store, trouble, key("heard")))...)
}

// troubles is the log of a driver, of which the errors are of interest: that
// of a stream goes on over what goes wrong.
type troubles chan error

func (troubles) Enabled(context.Context, slog.Level) bool { return true }
func (t troubles) WithAttrs([]slog.Attr) slog.Handler     { return t }
func (t troubles) WithGroup(string) slog.Handler          { return t }

func (t troubles) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && record.Level >= slog.LevelWarn {
			t <- err
		}
		return true
	})
	return nil
}

// listen waits for a change of an item, which it goes on making, or for the
// first trouble.
func listen(ctx context.Context, store *dynamo.Store, trouble troubles, key table.Key) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-trouble:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	go func() {
		for n := int64(0); ctx.Err() == nil; n++ {
			tx := table.Tx{Token: table.NewToken(), Actions: []table.Action{table.Put(key, table.N("n", n))}}
			_ = store.Transact(ctx, tx) // what it may not do was tried before
			time.Sleep(10 * time.Millisecond)
		}
	}()
	errHeard := errors.New("heard")
	err := store.Changes(ctx, "permission-"+key.Partition, func(context.Context, []table.Change) error { return errHeard })
	if errors.Is(err, errHeard) {
		return nil
	}
	return err
}

// The blobs' driver needs each permission that its comment asks for. One call
// takes no harm from a refusal: tails that are not deleted are left to the
// lifecycle rule.
func TestEachBlobPermission(t *testing.T) {
	run := func(t *testing.T, missing string) (*ledger, error) {
		used, prefix := newLedger(), newPrefix(t)
		c := s3Config(t, s3Policy(t, prefix, without(objectActions, missing), without(bucketActions, missing)))
		c.Used = used.note
		return used, useBlobs(t, s3.New(newS3(serve(t, c), region, session), testBucket(), prefix))
	}
	all := slices.Concat(objectActions, bucketActions)
	t.Run("all", func(t *testing.T) {
		used, err := run(t, "")
		if got, want := used.list(true), strings.Join(slices.Sorted(slices.Values(all)), " "); err != nil || got != want {
			t.Errorf("used: got %s, %v\nwant %s", got, err, want)
		}
	})
	for _, action := range all {
		t.Run(action, func(t *testing.T) {
			used, err := run(t, action)
			wantDenied(t, err, used, action)
		})
	}
}

// useBlobs makes every kind of call that the driver has, and joins what goes
// wrong.
func useBlobs(t *testing.T, store *s3.Store) error {
	ctx := t.Context()
	put := store.Put(ctx, "put", []byte("bytes"))
	failed := []error{put, readAll(ctx, store, "put", 5)}
	if err := readAll(ctx, store, "absent", 5); !errors.Is(err, blobs.ErrAbsent) {
		failed = append(failed, err)
	}
	upload := blobs.Upload{Key: "upload"}
	for range 2 {
		var err error
		upload, err = store.Append(ctx, upload, bytes.NewReader(make([]byte, 6<<20)))
		failed = append(failed, err)
	}
	if upload.Size > 0 {
		failed = append(failed, store.Abort(ctx, upload))
	}
	return errors.Join(append(failed, store.Abort(ctx, blobs.Upload{Key: "other"}), store.Delete(ctx, "put"))...)
}

func readAll(ctx context.Context, store blobs.Store, key string, size int64) error {
	r, err := store.Open(ctx, key, size)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.ReadAll(r)
	return err
}

// Who has read a refusal of AWS finds the same words here.
func TestDynamoDenialReadsAsOfAWS(t *testing.T) {
	target := fakeTarget(t, nil)
	denied, err := iam.NewPolicy(
		iam.Statement{Effect: "Allow", Actions: []string{"*"}, Resources: []string{"*"}},
		iam.Statement{Effect: "Deny", Actions: []string{"*"}, Resources: []string{tableARN("secret")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	const user = "User: arn:aws:sts::123456789012:assumed-role/PushRole/push is not authorized to perform: dynamodb:DescribeTable on resource: "
	for _, test := range []struct {
		name   string
		policy iam.Policy
		table  string
		want   string
	}{
		{"nothing allows", iam.Policy{}, "state", user + tableARN("state") + " because no identity-based policy allows the dynamodb:DescribeTable action"},
		{"something denies", denied, "secret", user + tableARN("secret") + " with an explicit deny in an identity-based policy"},
	} {
		client := newClient(serve(t, newConfig(t, iam.DynamoDB, target, test.policy)), session)
		_, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &test.table})
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || api.ErrorCode() != "AccessDeniedException" || api.ErrorMessage() != test.want {
			t.Errorf("%s: got %v\nwant %s", test.name, err, test.want)
		}
		if !strings.Contains(err.Error(), "RequestID: ") || strings.Contains(err.Error(), "RequestID: ,") {
			t.Errorf("%s: the answer has no request ID: %v", test.name, err)
		}
	}
}
