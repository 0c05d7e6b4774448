package iam

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Where a partition key is not found, or is no text, it counts as "". No item
// has that, so no condition lets it through; and without a condition DynamoDB
// itself says what is wrong with the request.

// leadingKeys are the partition keys of the items that an operation is about:
// none for those that are about the whole table.
func (r dynamoRequest) leadingKeys(action string, of fields) []string {
	switch strings.TrimPrefix(action, "dynamodb:") {
	case "DescribeTable", "DescribeTimeToLive", "Scan":
		return nil
	case "Query":
		return []string{r.queryKey(of)}
	case "PutItem":
		return []string{r.itemKey(of["Item"])}
	}
	return []string{r.itemKey(of["Key"])}
}

// itemKey is the partition key of an item, or of a key.
func (r dynamoRequest) itemKey(raw json.RawMessage) string {
	var item map[string]fields
	if json.Unmarshal(raw, &item) != nil {
		return ""
	}
	return text(item[r.partition]["S"])
}

// batchKeys are those of the part of a batch that is about one table.
func (r dynamoRequest) batchKeys(raw json.RawMessage) []string {
	found := map[string]bool{}
	for _, item := range batchItems(raw) {
		found[r.itemKey(item)] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// batchItems are the keys that a batch reads, or the items and keys that it
// puts and deletes. What is neither is an item that nobody knows.
func batchItems(raw json.RawMessage) []json.RawMessage {
	var reads fields
	if json.Unmarshal(raw, &reads) == nil {
		var keys []json.RawMessage
		if json.Unmarshal(reads["Keys"], &keys) == nil {
			return keys
		}
	}
	var writes []map[string]fields
	if json.Unmarshal(raw, &writes) != nil {
		return []json.RawMessage{nil}
	}
	var items []json.RawMessage
	for _, w := range writes {
		if put, ok := w["PutRequest"]; ok {
			items = append(items, put["Item"])
			continue
		}
		items = append(items, w["DeleteRequest"]["Key"])
	}
	return items
}

// equality is one comparison of a key condition, such as "#0 = :0". Neither OR
// nor NOT is known there, so one of the partition key decides.
var equality = regexp.MustCompile(`(#?[\w.-]+)\s*=\s*(:\w+)`)

// queryKey is what the key condition of a query says of the partition key.
func (r dynamoRequest) queryKey(of fields) string {
	var names map[string]string
	var values map[string]fields
	if raw, ok := of["ExpressionAttributeNames"]; ok && json.Unmarshal(raw, &names) != nil {
		return ""
	}
	if json.Unmarshal(of["ExpressionAttributeValues"], &values) != nil {
		return ""
	}
	key := ""
	for _, m := range equality.FindAllStringSubmatch(text(of["KeyConditionExpression"]), -1) {
		if m[1] != r.partition && names[m[1]] != r.partition {
			continue
		}
		if key != "" {
			return "" // it is there twice
		}
		key = text(values[m[2]]["S"])
	}
	return key
}
