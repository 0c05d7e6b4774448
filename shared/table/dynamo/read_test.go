package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/table"
)

// jsonItem is an item on the wire.
type jsonItem map[string]map[string]any

func itemJSON(k table.Key) jsonItem {
	return jsonItem{"pk": {"S": k.Partition}, "sk": {"S": k.Sort}, "version": {"S": "v"}}
}

func keyJSON(k table.Key) jsonItem {
	return jsonItem{"pk": {"S": k.Partition}, "sk": {"S": k.Sort}}
}

// batchGet is what a BatchGetItem asks of the one table.
type batchGet struct {
	Keys                     []jsonItem
	ConsistentRead           bool
	ProjectionExpression     string
	ExpressionAttributeNames map[string]string
}

func batchOf(t *testing.T, r request) batchGet {
	t.Helper()
	var body struct{ RequestItems map[string]batchGet }
	r.into(t, &body)
	return body.RequestItems["registry"]
}

// partly is the answer that holds some of what was asked and leaves the rest.
func partly(asked batchGet, n int) answer {
	var items []jsonItem
	for _, k := range asked.Keys[:n] {
		items = append(items, jsonItem{"pk": k["pk"], "sk": k["sk"], "size": {"N": "7"}})
	}
	left := map[string]any{}
	if n < len(asked.Keys) {
		left["registry"] = map[string]any{"Keys": asked.Keys[n:]}
	}
	return ok(map[string]any{"Responses": map[string]any{"registry": items}, "UnprocessedKeys": left})
}

func keys(n int) []table.Key {
	var out []table.Key
	for i := range n {
		out = append(out, table.Key{Partition: "repo#a", Sort: fmt.Sprintf("blob#%d", i)})
	}
	return out
}

func TestGetManyAsksForWhatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Nothing seven times in a row, then one key, and so on: as long as
		// something comes from time to time, it goes on.
		calls := 0
		store := newWired(func(r request) answer {
			asked := batchOf(t, r)
			if !asked.ConsistentRead {
				t.Error("a read is not strongly consistent")
			}
			if asked.ProjectionExpression != "#0, #1, #2" || asked.ExpressionAttributeNames["#1"] != "size" {
				t.Errorf("projection: got %q of %v, want pk, size and sk each time", asked.ProjectionExpression, asked.ExpressionAttributeNames)
			}
			calls++
			if calls%8 == 0 {
				return partly(asked, 1)
			}
			return partly(asked, 0)
		}, aws.NopRetryer{})
		got, err := store.GetMany(t.Context(), keys(5), "size", "pk", "size")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys(5) {
			if it := got[k]; it.Key != k || it.Num("size") != 7 {
				t.Errorf("%v: got %v", k, it)
			}
		}
	})
}

func TestGetManyGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		store := newWired(func(r request) answer { calls++; return partly(batchOf(t, r), 0) }, aws.NopRetryer{})
		got, err := store.GetMany(t.Context(), keys(5))
		if err == nil {
			t.Errorf("got %v, want an error rather than a part", got)
		}
		if calls != 8 {
			t.Errorf("got %d requests, want 8", calls)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := store.GetMany(ctx, keys(5)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
	})
}

func TestGetManyOfNothingAsksNothing(t *testing.T) {
	store := newWired(func(r request) answer { t.Errorf("got a %s", r.op); return ok(struct{}{}) }, aws.NopRetryer{})
	if got, err := store.GetMany(t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// A page of DynamoDB may be empty and yet not the last.
func TestQueryPassesOverEmptyPages(t *testing.T) {
	type query struct {
		ExclusiveStartKey jsonItem
		ConsistentRead    bool
		Limit             int
	}
	page := func(last string, sorts ...string) answer {
		body := map[string]any{"Items": []jsonItem{}}
		for _, s := range sorts {
			body["Items"] = append(body["Items"].([]jsonItem), itemJSON(table.Key{Partition: "p", Sort: s}))
		}
		if last != "" {
			body["LastEvaluatedKey"] = keyJSON(table.Key{Partition: "p", Sort: last})
		}
		return ok(body)
	}
	for _, test := range []struct {
		name     string
		pages    map[string]answer // by the key to start after
		want     []string
		wantMore bool
	}{
		{"then a full one", map[string]answer{"a#0": page("a#3"), "a#3": page("a#5"), "a#5": page("a#7", "a#6", "a#7")}, []string{"a#6", "a#7"}, true},
		{"then the last", map[string]answer{"a#0": page("a#3"), "a#3": page("")}, nil, false},
		{"of another case", map[string]answer{"a#0": page("A#3", "A#1", "A#3"), "A#3": page("", "a#4")}, []string{"a#4"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := newWired(func(r request) answer {
				var q query
				r.into(t, &q)
				if !q.ConsistentRead || q.Limit != 2 {
					t.Errorf("got consistent %v, limit %d, want true, 2", q.ConsistentRead, q.Limit)
				}
				return test.pages[q.ExclusiveStartKey["sk"]["S"].(string)]
			}, aws.NopRetryer{})
			got, err := store.Query(t.Context(), table.Query{Partition: "p", Prefix: "a", After: "a#0", Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			var sorts []string
			for _, it := range got.Items {
				sorts = append(sorts, it.Sort)
			}
			if !slices.Equal(sorts, test.want) || got.More != test.wantMore {
				t.Errorf("got %q, more %v, want %q, %v", sorts, got.More, test.want, test.wantMore)
			}
		})
	}
}

// What somebody edited by hand must not pass for something else.
func TestGetOfWhatBerthDidNotWrite(t *testing.T) {
	item := itemJSON(keyA)
	store := newWired(func(r request) answer { return ok(map[string]any{"Item": item}) }, aws.NopRetryer{})

	item["note"] = map[string]any{"M": map[string]any{}}
	item["seen"] = map[string]any{"BOOL": true}
	item["expires"] = map[string]any{"S": "tomorrow"}
	got, err := store.Get(t.Context(), keyA)
	if err != nil || len(got.Attrs) != 0 || !got.Expires.IsZero() {
		t.Errorf("other kinds: got %+v, %v, want them passed over", got, err)
	}
	for _, n := range []string{"1.5", "9223372036854775808", "1E+3"} {
		item["count"] = map[string]any{"N": n}
		if got, err := store.Get(t.Context(), keyA); err == nil {
			t.Errorf("number %s: got %v, want an error", n, got.Num("count"))
		}
	}
}

func TestReadsFail(t *testing.T) {
	store := newWired(func(r request) answer { return failure("InternalServerError") }, aws.NopRetryer{})
	if _, err := store.Get(t.Context(), keyA); err == nil || errors.Is(err, table.ErrAbsent) {
		t.Errorf("Get: got %v", err)
	}
	if _, err := store.GetMany(t.Context(), keys(2)); err == nil {
		t.Error("GetMany: got no error")
	}
	if _, err := store.Query(t.Context(), table.Query{Partition: "p", Prefix: "a"}); err == nil {
		t.Error("Query: got no error")
	}
}
