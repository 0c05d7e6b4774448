package dynamo

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/berthregistry/berth/shared/table"
)

func TestConditions(t *testing.T) {
	for name, test := range map[string]struct {
		condition table.Condition
		text      string
		names     []string
		values    []types.AttributeValue
	}{
		"always":  {table.Condition{}, "", nil, nil},
		"absent":  {table.Absent(), "attribute_not_exists(#0)", []string{"pk"}, nil},
		"exists":  {table.Exists(), "attribute_exists(#0)", []string{"pk"}, nil},
		"version": {table.VersionIs("t"), "#0 = :0", []string{"version"}, list(text("t"))},
		"equals":  {table.Equals(table.S("size", "x")), "#0 = :0", []string{"size"}, list(text("x"))},
		"lacks":   {table.Lacks("a.b"), "attribute_not_exists(#0)", []string{"a.b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var e expression
			if got := aws.ToString(e.condition(test.condition)); got != test.text {
				t.Errorf("got %q, want %q", got, test.text)
			}
			wantPlaceholders(t, e, test.names, test.values)
		})
	}
}

func TestUpdates(t *testing.T) {
	k := table.Key{Partition: "p", Sort: "s"}
	for name, test := range map[string]struct {
		action table.Action
		text   string
		names  []string
		values []types.AttributeValue
	}{
		"nothing": {table.Update(k), "SET #0 = :0", []string{"version"}, list(text("token"))},
		"sorted": {
			table.Update(k, table.S("b", "2"), table.S("a", "1")), "SET #0 = :0, #1 = :1, #2 = :2",
			[]string{"version", "a", "b"}, list(text("token"), text("1"), text("2")),
		},
		"expiry": {
			table.Update(k).Until(time.Unix(9, 999)), "SET #0 = :0, #1 = :1", []string{"version", "expires"}, list(text("token"), integer(9)),
		},
		"all": {
			table.Update(k, table.S("size", "1")).Adding("y", 1).Adding("x", -1).Unsetting("d", "c"),
			"SET #0 = :0, #1 = :1 ADD #2 :2, #3 :3 REMOVE #4, #5",
			[]string{"version", "size", "x", "y", "c", "d"}, list(text("token"), text("1"), integer(-1), integer(1)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var e expression
			if got := *e.update(test.action, "token"); got != test.text {
				t.Errorf("got %q, want %q", got, test.text)
			}
			wantPlaceholders(t, e, test.names, test.values)
		})
	}
}

// A condition and an update of one attribute share its placeholder.
func TestNamesAreShared(t *testing.T) {
	var e expression
	condition := *e.condition(table.Equals(table.S("state", "live")))
	update := *e.update(table.Update(table.Key{}, table.S("state", "condemned")), "token")
	if want := "#0 = :0"; condition != want {
		t.Errorf("condition: got %q, want %q", condition, want)
	}
	if want := "SET #1 = :1, #0 = :2"; update != want {
		t.Errorf("update: got %q, want %q", update, want)
	}
	wantPlaceholders(t, e, []string{"state", "version"}, list(text("live"), text("token"), text("condemned")))
}

func list(values ...types.AttributeValue) []types.AttributeValue { return values }

// wantPlaceholders fails unless the names and values are these, in the order of
// their placeholders. DynamoDB refuses an empty map, and takes one that is nil.
func wantPlaceholders(t *testing.T, e expression, names []string, values []types.AttributeValue) {
	t.Helper()
	var wantNames map[string]string
	for i, name := range names {
		if wantNames == nil {
			wantNames = map[string]string{}
		}
		wantNames[fmt.Sprintf("#%d", i)] = name
	}
	var wantValues map[string]types.AttributeValue
	for i, v := range values {
		if wantValues == nil {
			wantValues = map[string]types.AttributeValue{}
		}
		wantValues[fmt.Sprintf(":%d", i)] = v
	}
	if !reflect.DeepEqual(e.names, wantNames) {
		t.Errorf("names: got %#v, want %#v", e.names, wantNames)
	}
	if !reflect.DeepEqual(e.values, wantValues) {
		t.Errorf("values: got %#v, want %#v", e.values, wantValues)
	}
}
