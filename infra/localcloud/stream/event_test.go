package stream

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// A record of every type of value is read by Amazon's own types as what it is.
func TestEvent(t *testing.T) {
	const arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"
	from := types.Record{
		EventID: aws.String("id"), EventName: types.OperationTypeRemove, EventVersion: aws.String("1.1"),
		UserIdentity: &types.Identity{Type: aws.String("Service"), PrincipalId: aws.String("dynamodb.amazonaws.com")},
		Dynamodb: &types.StreamRecord{
			ApproximateCreationDateTime: aws.Time(time.Unix(1480642020, 0)), SequenceNumber: aws.String("14054"),
			SizeBytes: aws.Int64(54), StreamViewType: types.StreamViewTypeNewAndOldImages,
			Keys: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "é\"<"}},
			OldImage: map[string]types.AttributeValue{
				"s": &types.AttributeValueMemberS{Value: ""}, "n": &types.AttributeValueMemberN{Value: "-1.5e3"},
				"b": &types.AttributeValueMemberB{Value: []byte{0, 255}}, "bool": &types.AttributeValueMemberBOOL{Value: true},
				"null": &types.AttributeValueMemberNULL{Value: true}, "ss": &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
				"ns": &types.AttributeValueMemberNS{Value: []string{"1", "2"}}, "bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}}},
				"m": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"x": &types.AttributeValueMemberN{Value: "1"}}},
				"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: "e"}, &types.AttributeValueMemberL{}}},
			},
		},
	}
	r, err := encode(from, arn)
	if err != nil {
		t.Fatal(err)
	}
	var got events.DynamoDBEvent
	if err := json.Unmarshal(event([]record{r, r}), &got); err != nil {
		t.Fatal(err)
	}
	want := events.DynamoDBEventRecord{
		AWSRegion: "eu-central-1", EventID: "id", EventName: "REMOVE", EventSource: "aws:dynamodb", EventVersion: "1.1", EventSourceArn: arn,
		UserIdentity: &events.DynamoDBUserIdentity{Type: "Service", PrincipalID: "dynamodb.amazonaws.com"},
		Change: events.DynamoDBStreamRecord{
			ApproximateCreationDateTime: events.SecondsEpochTime{Time: time.Unix(1480642020, 0).UTC()},
			SequenceNumber:              "14054", SizeBytes: 54, StreamViewType: "NEW_AND_OLD_IMAGES",
			Keys: map[string]events.DynamoDBAttributeValue{"pk": events.NewStringAttribute("é\"<")},
			OldImage: map[string]events.DynamoDBAttributeValue{
				"s": events.NewStringAttribute(""), "n": events.NewNumberAttribute("-1.5e3"),
				"b": events.NewBinaryAttribute([]byte{0, 255}), "bool": events.NewBooleanAttribute(true),
				"null": events.NewNullAttribute(), "ss": events.NewStringSetAttribute([]string{"a", "b"}),
				"ns": events.NewNumberSetAttribute([]string{"1", "2"}), "bs": events.NewBinarySetAttribute([][]byte{{1}}),
				"m": events.NewMapAttribute(map[string]events.DynamoDBAttributeValue{"x": events.NewNumberAttribute("1")}),
				"l": events.NewListAttribute([]events.DynamoDBAttributeValue{events.NewStringAttribute("e"), events.NewListAttribute([]events.DynamoDBAttributeValue{})}),
			},
		},
	}
	for i, g := range got.Records {
		g.Change.ApproximateCreationDateTime.Time = g.Change.ApproximateCreationDateTime.UTC()
		if !reflect.DeepEqual(g, want) {
			t.Errorf("record %d: got\n%+v\nwant\n%+v", i, g, want)
		}
	}
	if len(got.Records) != 2 {
		t.Errorf("%d records, want 2", len(got.Records))
	}
}

func TestRecordWithoutChange(t *testing.T) {
	if _, err := encode(types.Record{EventID: aws.String("x")}, ""); err == nil {
		t.Error("a record without a change is taken")
	}
}
