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
	return dynamoAccesses(dynamoRequest{prefix: here, partition: "pk", iterators: known}, target, []byte(body))
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

// leading writes the partition keys that a request is about.
func leading(t *testing.T, operation, body string) string {
	t.Helper()
	accesses, err := dynamoOf(tableTarget+operation, body)
	if err != nil {
		t.Fatalf("%s %s: %v", operation, body, err)
	}
	var all []string
	for _, a := range accesses {
		all = append(all, strings.Join(a.keys, ","))
	}
	return strings.Join(all, " ")
}

// Where the key cannot be told it is written as nothing, between commas and
// blanks: no condition lets that through.
func TestLeadingKeysOfRequests(t *testing.T) {
	const a, b = `{"pk": {"S": "a"}, "sk": {"S": "x"}}`, `{"pk": {"S": "b"}, "sk": {"S": "x"}}`
	for _, test := range []struct{ operation, body, want string }{
		{"GetItem", `{"TableName": "t", "Key": ` + a + `}`, "a"},
		{"DeleteItem", `{"TableName": "t", "Key": ` + a + `}`, "a"},
		{"UpdateItem", `{"TableName": "t", "Key": ` + a + `}`, "a"},
		{"PutItem", `{"TableName": "t", "Item": {"pk": {"S": "a"}, "more": {"L": [{"N": "1"}]}}}`, "a"},
		{"BatchGetItem", `{"RequestItems": {"t": {"Keys": [` + a + `, ` + b + `, ` + a + `]}}}`, "a,b"},
		{"BatchWriteItem", `{"RequestItems": {"t": [{"PutRequest": {"Item": ` + b + `}}, {"DeleteRequest": {"Key": ` + a + `}}]}}`, "a,b"},
		{"TransactWriteItems", `{"TransactItems": [{"Put": {"TableName": "t", "Item": ` + a + `}}, {"Put": {"TableName": "t", "Item": ` + b + `}},
			{"Put": {"TableName": "t", "Item": ` + a + `}}, {"ConditionCheck": {"TableName": "t", "Key": ` + a + `}}]}`, "a b a"},
		{"Query", `{"TableName": "t", "KeyConditionExpression": "#0 = :0 AND begins_with(#1, :1)",
			"ExpressionAttributeNames": {"#0": "pk", "#1": "sk"}, "ExpressionAttributeValues": {":0": {"S": "a"}, ":1": {"S": "pk = :2"}}}`, "a"},
		{"Query", `{"TableName": "t", "KeyConditionExpression": "sk=:1 AND pk=:0", "ExpressionAttributeValues": {":0": {"S": "a"}, ":1": {"S": "b"}}}`, "a"},
		{"Scan", `{"TableName": "t"}`, ""},

		{"GetItem", `{"TableName": "t"}`, ""},
		{"GetItem", `{"TableName": "t", "key": ` + a + `}`, ""},
		{"GetItem", `{"TableName": "t", "Key": {"pk": {"N": "1"}}}`, ""},
		{"BatchGetItem", `{"RequestItems": {"t": {"Keys": [` + a + `, {}]}}}`, ",a"},
		{"BatchGetItem", `{"RequestItems": {"t": {"keys": [` + a + `]}}}`, ""},
		{"BatchWriteItem", `{"RequestItems": {"t": [{"PutRequest": {"Item": ` + a + `}}, {}]}}`, ",a"},
		{"Query", `{"TableName": "t", "KeyConditionExpression": "sk = :0", "ExpressionAttributeValues": {":0": {"S": "a"}}}`, ""},
		{"Query", `{"TableName": "t", "KeyConditionExpression": "pk = :0 AND pk = :1", "ExpressionAttributeValues": {":0": {"S": "a"}, ":1": {"S": "b"}}}`, ""},
		{"Query", `{"TableName": "t", "IndexName": "i", "KeyConditionExpression": "pk = :0", "ExpressionAttributeValues": {":0": {"S": "a"}}}`, ""},
	} {
		if got := leading(t, test.operation, test.body); got != test.want {
			t.Errorf("%s %s: got keys %q, want %q", test.operation, test.body, got, test.want)
		}
	}
}

// Only a request about a whole table is about no key at all.
func TestNoLeadingKeys(t *testing.T) {
	for operation, want := range map[string]int{"Scan": 0, "DescribeTable": 0, "DescribeTimeToLive": 0, "GetItem": 1, "PutItem": 1, "Query": 1} {
		accesses, err := dynamoOf(tableTarget+operation, `{"TableName": "t"}`)
		if err != nil || len(accesses[0].keys) != want {
			t.Errorf("%s: got %v, %v, want %d keys", operation, accesses, err, want)
		}
	}
}
