package dynamo_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

type image = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

func tagImage(digest string) image {
	return image{"pk": str("repo#a"), "sk": str("tag#1"), "version": str("v-" + digest), "expires": num("1700000000"), "digest": str(digest)}
}

func record(change func(*types.Record)) types.Record {
	r := types.Record{
		EventID: aws.String("c4ca4238"),
		Dynamodb: &types.StreamRecord{
			Keys:                        image{"pk": str("repo#a"), "sk": str("tag#1")},
			SequenceNumber:              aws.String("111"),
			ApproximateCreationDateTime: aws.Time(time.Unix(1600000000, 0)),
		},
	}
	change(&r)
	return r
}

func TestChange(t *testing.T) {
	service := &types.Identity{Type: aws.String("Service"), PrincipalId: aws.String("dynamodb.amazonaws.com")}
	somebody := &types.Identity{Type: aws.String("Service"), PrincipalId: aws.String("somebody.amazonaws.com")}
	for name, test := range map[string]struct {
		record   types.Record
		old, new string // digests
		expired  bool
	}{
		"made":                   {record(func(r *types.Record) { r.Dynamodb.NewImage = tagImage("2") }), "", "2", false},
		"changed":                {record(func(r *types.Record) { r.Dynamodb.OldImage, r.Dynamodb.NewImage = tagImage("1"), tagImage("2") }), "1", "2", false},
		"deleted":                {record(func(r *types.Record) { r.Dynamodb.OldImage = tagImage("1") }), "1", "", false},
		"expired":                {record(func(r *types.Record) { r.Dynamodb.OldImage, r.UserIdentity = tagImage("1"), service }), "1", "", true},
		"changed by the service": {record(func(r *types.Record) { r.Dynamodb.NewImage, r.UserIdentity = tagImage("2"), service }), "", "2", false},
		"deleted by another":     {record(func(r *types.Record) { r.Dynamodb.OldImage, r.UserIdentity = tagImage("1"), somebody }), "1", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := dynamo.Change(test.record)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != "c4ca4238" || got.Key != keyA || !got.At.Equal(time.Unix(1600000000, 0)) || got.Expired != test.expired {
				t.Errorf("got %+v", got)
			}
			wantTag(t, got.Old, test.old)
			wantTag(t, got.New, test.new)
		})
	}
}

func wantTag(t *testing.T, got *table.Item, digest string) {
	t.Helper()
	switch {
	case (got == nil) != (digest == ""):
		t.Errorf("image: got %v, want %q", got, digest)
	case got != nil && (got.Str("digest") != digest || got.Version != "v-"+digest || got.Key != keyA ||
		!got.Expires.Equal(time.Unix(1700000000, 0)) || len(got.Attrs) != 1):
		t.Errorf("image: got %+v, want that of %q", got, digest)
	}
}

func TestChangeOfWhatIsNone(t *testing.T) {
	for name, change := range map[string]func(*types.Record){
		"no body":    func(r *types.Record) { r.Dynamodb = nil },
		"no images":  func(r *types.Record) {},
		"no id":      func(r *types.Record) { r.EventID, r.Dynamodb.NewImage = nil, tagImage("1") },
		"no key":     func(r *types.Record) { r.Dynamodb.Keys, r.Dynamodb.NewImage = nil, tagImage("1") },
		"bad key":    func(r *types.Record) { r.Dynamodb.Keys["sk"], r.Dynamodb.NewImage = num("1"), tagImage("1") },
		"bad number": func(r *types.Record) { r.Dynamodb.OldImage = image{"size": num("1e9")} },
		"bad expiry": func(r *types.Record) { r.Dynamodb.NewImage = image{"expires": num("")} },
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := dynamo.Change(record(change)); err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}
