package iam

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// dynamoActions lists the operations on one table that need the permission of
// their own name, and nothing else.
var dynamoActions = []string{
	"DeleteItem", "DescribeTable", "DescribeTimeToLive", "GetItem", "PutItem", "Query", "Scan", "UpdateItem",
}

// transactActions says which permission a part of a transaction needs. There
// is none for the transaction.
var transactActions = map[string]string{
	"ConditionCheck": "dynamodb:ConditionCheckItem",
	"Delete":         "dynamodb:DeleteItem",
	"Get":            "dynamodb:GetItem",
	"Put":            "dynamodb:PutItem",
	"Update":         "dynamodb:UpdateItem",
}

const (
	tableTarget  = "DynamoDB_20120810."
	streamTarget = "DynamoDBStreams_20120810."
)

// fields is a JSON object. Its names are compared as they are, unlike those of
// structs, since a server does so too.
type fields map[string]json.RawMessage

// dynamoRequest is a request to DynamoDB, whose resources are in this region
// and account.
type dynamoRequest struct {
	prefix    string // of all ARNs
	partition string // attribute of the partition key
	iterators *iterators
	body      fields
}

// dynamoAccesses says what a request does: its target is the value of the
// header X-Amz-Target.
func dynamoAccesses(r dynamoRequest, target string, body []byte) ([]access, error) {
	if err := json.Unmarshal(body, &r.body); err != nil {
		return nil, refusal{invalidRequest, "The body is not an object of JSON."}
	}
	if name, ok := strings.CutPrefix(target, streamTarget); ok {
		return r.stream(name)
	}
	name, ok := strings.CutPrefix(target, tableTarget)
	switch {
	case !ok:
		return nil, unknown("target %q", target)
	case slices.Contains(dynamoActions, name):
		return r.one("dynamodb:"+name, r.body)
	case name == "BatchGetItem" || name == "BatchWriteItem":
		return r.batch("dynamodb:" + name)
	case name == "TransactGetItems":
		return r.transaction("Get")
	case name == "TransactWriteItems":
		return r.transaction("ConditionCheck", "Delete", "Put", "Update")
	}
	return nil, unknown("operation %q", name)
}

// one is the access of an operation that names its table, and maybe an index
// of it, among its fields.
func (r dynamoRequest) one(action string, of fields) ([]access, error) {
	table, err := r.table(text(of["TableName"]))
	if err != nil {
		return nil, err
	}
	if raw, ok := of["IndexName"]; ok {
		index := text(raw)
		if !tableName.MatchString(index) {
			return nil, unknown("index %q", index)
		}
		table += "/index/" + index
		return []access{{action, table, []string{""}}}, nil
	}
	return []access{{action, table, r.leadingKeys(action, of)}}, nil
}

// batch is the accesses of an operation on items by the names of their tables.
func (r dynamoRequest) batch(action string) ([]access, error) {
	var items fields
	if err := json.Unmarshal(r.body["RequestItems"], &items); err != nil || len(items) == 0 {
		return nil, unknown("a batch without tables")
	}
	var all []access
	for _, name := range slices.Sorted(maps.Keys(items)) {
		table, err := r.table(name)
		if err != nil {
			return nil, err
		}
		all = append(all, access{action, table, r.batchKeys(items[name])})
	}
	return all, nil
}

// transaction is the accesses of a transaction: those of its parts, each of
// which is one of these.
func (r dynamoRequest) transaction(parts ...string) ([]access, error) {
	var items []fields
	if err := json.Unmarshal(r.body["TransactItems"], &items); err != nil || len(items) == 0 {
		return nil, unknown("a transaction without parts")
	}
	var all []access
	for _, item := range items {
		accesses, err := r.part(item, parts)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, accesses[0].equal) {
			all = append(all, accesses[0])
		}
	}
	return all, nil
}

func (r dynamoRequest) part(item fields, parts []string) ([]access, error) {
	for name, raw := range item {
		var of fields
		if len(item) != 1 || !slices.Contains(parts, name) || json.Unmarshal(raw, &of) != nil {
			break
		}
		return r.one(transactActions[name], of)
	}
	return nil, unknown("a part of a transaction that is none of %q", parts)
}

// stream is the access of an operation on a table's stream.
func (r dynamoRequest) stream(name string) ([]access, error) {
	switch name {
	case "ListStreams":
		table, err := r.table(text(r.body["TableName"]))
		if err != nil {
			return nil, err
		}
		return []access{{action: "dynamodb:ListStreams", resource: table + "/stream/*"}}, nil
	case "DescribeStream", "GetShardIterator":
		// The server behind may think itself in another region and account.
		arn, _ := splitARN(text(r.body["StreamArn"]))
		if !streamName.MatchString(arn[5]) {
			return nil, unknown("stream %q", arn[5])
		}
		return []access{{action: "dynamodb:" + name, resource: r.prefix + arn[5]}}, nil
	case "GetRecords":
		stream, ok := r.iterators.stream(text(r.body["ShardIterator"]))
		if !ok {
			return nil, refusal{reason: expiredIterator}
		}
		return []access{{action: "dynamodb:GetRecords", resource: stream}}, nil
	}
	return nil, unknown("operation %q of streams", name)
}

var (
	tableName  = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,255}$`)
	streamName = regexp.MustCompile(`^table/[a-zA-Z0-9_.-]{1,255}/stream/[0-9T:.-]{1,64}$`)
)

// table is the ARN of a table. A table may be named by its ARN as well; nobody
// here does.
func (r dynamoRequest) table(name string) (string, error) {
	if !tableName.MatchString(name) {
		return "", unknown("table %q", name)
	}
	return r.prefix + "table/" + name, nil
}

// text is a string of JSON, or empty.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
