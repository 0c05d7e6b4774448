package iam

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// short writes accesses without what they all begin with.
func short(accesses []access, prefix string) string {
	var all []string
	for _, a := range accesses {
		all = append(all, a.action+" "+strings.TrimPrefix(a.resource, prefix))
	}
	return strings.Join(all, ", ")
}

const here = "arn:aws:dynamodb:eu-central-1:123456789012:"

func dynamoOf(target, body string) ([]access, error) {
	known := newIterators(time.Now)
	known.add("iterator", here+"table/state/stream/2026-11-21T10:00:00.000")
	return dynamoAccesses(dynamoRequest{prefix: here, iterators: known}, target, []byte(body))
}

func TestDynamoAccesses(t *testing.T) {
	for _, test := range []struct{ target, body, want string }{
		{"DynamoDB_20120810.GetItem", `{"TableName": "state", "Key": {}}`, "dynamodb:GetItem table/state"},
		{"DynamoDB_20120810.PutItem", `{"TableName": "state"}`, "dynamodb:PutItem table/state"},
		{"DynamoDB_20120810.UpdateItem", `{"TableName": "state"}`, "dynamodb:UpdateItem table/state"},
		{"DynamoDB_20120810.DeleteItem", `{"TableName": "state"}`, "dynamodb:DeleteItem table/state"},
		{"DynamoDB_20120810.Query", `{"TableName": "state"}`, "dynamodb:Query table/state"},
		{"DynamoDB_20120810.Query", `{"TableName": "state", "IndexName": "by-size"}`, "dynamodb:Query table/state/index/by-size"},
		{"DynamoDB_20120810.Scan", `{"TableName": "state"}`, "dynamodb:Scan table/state"},
		{"DynamoDB_20120810.DescribeTable", `{"TableName": "state"}`, "dynamodb:DescribeTable table/state"},
		{"DynamoDB_20120810.BatchGetItem", `{"RequestItems": {"state": {}, "other": {}}}`,
			"dynamodb:BatchGetItem table/other, dynamodb:BatchGetItem table/state"},
		{"DynamoDB_20120810.BatchWriteItem", `{"RequestItems": {"state": []}}`, "dynamodb:BatchWriteItem table/state"},

		{"DynamoDB_20120810.TransactGetItems", `{"TransactItems": [{"Get": {"TableName": "state"}}]}`, "dynamodb:GetItem table/state"},
		{"DynamoDB_20120810.TransactWriteItems", `{"TransactItems": [
			{"Put": {"TableName": "state"}}, {"Update": {"TableName": "state"}}, {"Delete": {"TableName": "state"}},
			{"ConditionCheck": {"TableName": "other"}}, {"Put": {"TableName": "state"}}]}`,
			"dynamodb:PutItem table/state, dynamodb:UpdateItem table/state, dynamodb:DeleteItem table/state, dynamodb:ConditionCheckItem table/other"},

		{"DynamoDBStreams_20120810.ListStreams", `{"TableName": "state"}`, "dynamodb:ListStreams table/state/stream/*"},
		{"DynamoDBStreams_20120810.DescribeStream", `{"StreamArn": "arn:aws:dynamodb:elsewhere:000000000000:table/state/stream/2026-11-21T10:00:00.000"}`,
			"dynamodb:DescribeStream table/state/stream/2026-11-21T10:00:00.000"},
		{"DynamoDBStreams_20120810.GetShardIterator", `{"StreamArn": "arn:aws:dynamodb:elsewhere:000000000000:table/state/stream/1795258694.65"}`,
			"dynamodb:GetShardIterator table/state/stream/1795258694.65"},
		{"DynamoDBStreams_20120810.GetRecords", `{"ShardIterator": "iterator"}`,
			"dynamodb:GetRecords table/state/stream/2026-11-21T10:00:00.000"},
	} {
		accesses, err := dynamoOf(test.target, test.body)
		if got := short(accesses, here); err != nil || got != test.want {
			t.Errorf("%s %s:\n got %s, %v\nwant %s", test.target, test.body, got, err, test.want)
		}
	}
}

func TestDynamoUnknown(t *testing.T) {
	for _, test := range []struct {
		target, body string
		want         reason
	}{
		{"", `{}`, notImplemented},
		{"GetItem", `{"TableName": "state"}`, notImplemented},
		{"DynamoDB_20111205.GetItem", `{"TableName": "state"}`, notImplemented},
		{"DynamoDB_20120810.getitem", `{"TableName": "state"}`, notImplemented},
		{"DynamoDB_20120810.ExecuteStatement", `{"Statement": "SELECT"}`, notImplemented},
		{"DynamoDB_20120810.DeleteTable", `{"TableName": "state"}`, notImplemented},
		{"DynamoDB_20120810.GetItem", `{}`, notImplemented},
		{"DynamoDB_20120810.GetItem", `{"tablename": "state"}`, notImplemented},
		{"DynamoDB_20120810.GetItem", `{"TableName": 1}`, notImplemented},
		{"DynamoDB_20120810.GetItem", `{"TableName": "state/index/x"}`, notImplemented},
		{"DynamoDB_20120810.GetItem", `{"TableName": "arn:aws:dynamodb:eu-central-1:123456789012:table/state"}`, notImplemented},
		{"DynamoDB_20120810.GetItem", `TableName`, invalidRequest},
		{"DynamoDB_20120810.GetItem", `{"TableName": "state"} {"TableName": "other"}`, invalidRequest},
		{"DynamoDB_20120810.Query", `{"TableName": "state", "IndexName": "*/x"}`, notImplemented},
		{"DynamoDB_20120810.BatchGetItem", `{"RequestItems": {}}`, notImplemented},
		{"DynamoDB_20120810.BatchGetItem", `{"RequestItems": {"a/b": {}}}`, notImplemented},
		{"DynamoDB_20120810.TransactWriteItems", `{"TransactItems": []}`, notImplemented},
		{"DynamoDB_20120810.TransactWriteItems", `{"TransactItems": [{}]}`, notImplemented},
		{"DynamoDB_20120810.TransactWriteItems", `{"TransactItems": [{"Get": {"TableName": "state"}}]}`, notImplemented},
		{"DynamoDB_20120810.TransactWriteItems", `{"TransactItems": [{"Put": {"TableName": "a"}, "Delete": {"TableName": "b"}}]}`, notImplemented},
		{"DynamoDB_20120810.TransactGetItems", `{"TransactItems": [{"Put": {"TableName": "state"}}]}`, notImplemented},
		{"DynamoDBStreams_20120810.ListStreams", `{}`, notImplemented},
		{"DynamoDBStreams_20120810.DescribeStream", `{"StreamArn": "table/state/stream/1"}`, notImplemented},
		{"DynamoDBStreams_20120810.DescribeStream", `{"StreamArn": "a:b:c:d:e:table/state"}`, notImplemented},
		{"DynamoDBStreams_20120810.DescribeStream", `{"StreamArn": "a:b:c:d:e:table/state/stream/*"}`, notImplemented},
		{"DynamoDBStreams_20120810.GetRecords", `{"ShardIterator": "made up"}`, expiredIterator},
	} {
		accesses, err := dynamoOf(test.target, test.body)
		if why, ok := err.(refusal); !ok || why.reason != test.want {
			t.Errorf("%s %s: got %v, %v, want reason %d", test.target, test.body, accesses, err, test.want)
		}
	}
}

// An iterator is forgotten when AWS would have let it expire, also by itself.
func TestIteratorsExpire(t *testing.T) {
	now := time.Now()
	known := newIterators(func() time.Time { return now })
	known.add("first", "stream")
	now = now.Add(iteratorLife - time.Second)
	if _, ok := known.stream("first"); !ok {
		t.Error("the iterator is gone too early")
	}
	now = now.Add(2 * time.Second)
	if _, ok := known.stream("first"); ok {
		t.Error("the iterator is still known")
	}
	known.add("second", "stream")
	if len(known.known) != 1 {
		t.Errorf("got %d iterators, want the second alone", len(known.known))
	}
}

// Both calls that give out iterators have theirs remembered, and pass it on.
func TestIteratorsAreRemembered(t *testing.T) {
	known := newIterators(time.Now)
	for _, body := range []string{`{"ShardIterator":"first"}`, `{"Records":[],"NextShardIterator":"second"}`, `{"Records":[]}`, `no JSON`} {
		resp := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}
		if err := known.remember(resp, "stream"); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); string(got) != body || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, body)
		}
	}
	for _, name := range []string{"first", "second"} {
		if stream, ok := known.stream(name); stream != "stream" || !ok {
			t.Errorf("%s: got %q, %v", name, stream, ok)
		}
	}
	if _, ok := known.stream(""); ok || len(known.known) != 2 {
		t.Errorf("got %d iterators, want 2", len(known.known))
	}
}

// FuzzDynamo has whatever is understood name known actions on tables here.
func FuzzDynamo(f *testing.F) {
	f.Add("DynamoDB_20120810.GetItem", `{"TableName": "state"}`)
	f.Add("DynamoDB_20120810.TransactWriteItems", `{"TransactItems": [{"Put": {"TableName": "state"}}]}`)
	f.Add("DynamoDB_20120810.BatchGetItem", `{"RequestItems": {"state": {}, "other": {}}}`)
	f.Add("DynamoDBStreams_20120810.DescribeStream", `{"StreamArn": "a:b:c:d:e:table/state/stream/1"}`)
	f.Fuzz(func(t *testing.T, target, body string) {
		accesses, err := dynamoOf(target, body)
		if why, ok := err.(refusal); err != nil && !ok || ok && dynamoAnswers[why.reason].status < http.StatusBadRequest {
			t.Fatalf("%q %q: %v is not a refusal that can be written", target, body, err)
		}
		if err == nil && len(accesses) == 0 {
			t.Fatalf("%q %q needs no permission", target, body)
		}
		for _, a := range accesses {
			name, ok := strings.CutPrefix(a.resource, here+"table/")
			if !ok || name == "" || name[0] == '*' {
				t.Fatalf("%q %q is said to need %v", target, body, a)
			}
		}
	})
}
