package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// maxPayload is the largest event that Lambda takes, in bytes.
const maxPayload = 6 << 20

// A record is one change on its way to the function.
type record struct {
	sequence string
	created  time.Time
	json     []byte // as the function sees it
}

// These are the names of Lambda's event; those inside a change are the stream's.
type eventRecord struct {
	EventID        string         `json:"eventID"`
	EventName      string         `json:"eventName"`
	EventVersion   string         `json:"eventVersion"`
	EventSource    string         `json:"eventSource"`
	AWSRegion      string         `json:"awsRegion"`
	Dynamodb       change         `json:"dynamodb"`
	EventSourceARN string         `json:"eventSourceARN"`
	UserIdentity   *eventIdentity `json:"userIdentity,omitempty"`
}

type eventIdentity struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
}

type change struct {
	ApproximateCreationDateTime int64 // seconds since 1970
	Keys                        map[string]any
	NewImage                    map[string]any `json:",omitempty"`
	OldImage                    map[string]any `json:",omitempty"`
	SequenceNumber              string
	SizeBytes                   int64
	StreamViewType              string
}

// encode makes a record of one that comes from the stream with this ARN.
func encode(r types.Record, stream string) (record, error) {
	if r.Dynamodb == nil {
		return record{}, fmt.Errorf("record %s has no change", aws.ToString(r.EventID))
	}
	d, created := r.Dynamodb, aws.ToTime(r.Dynamodb.ApproximateCreationDateTime)
	e := eventRecord{
		EventID: aws.ToString(r.EventID), EventName: string(r.EventName), EventVersion: aws.ToString(r.EventVersion),
		EventSource: "aws:dynamodb", AWSRegion: region(stream), EventSourceARN: stream,
		Dynamodb: change{
			ApproximateCreationDateTime: created.Unix(),
			Keys:                        attributes(d.Keys), NewImage: attributes(d.NewImage), OldImage: attributes(d.OldImage),
			SequenceNumber: aws.ToString(d.SequenceNumber), SizeBytes: aws.ToInt64(d.SizeBytes), StreamViewType: string(d.StreamViewType),
		},
	}
	if id := r.UserIdentity; id != nil {
		e.UserIdentity = &eventIdentity{aws.ToString(id.Type), aws.ToString(id.PrincipalId)}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return record{}, fmt.Errorf("record %s: %w", e.EventID, err)
	}
	return record{sequence: e.Dynamodb.SequenceNumber, created: created, json: b}, nil
}

// region is the fourth field of an ARN.
func region(arn string) string {
	if fields := strings.Split(arn, ":"); len(fields) > 3 {
		return fields[3]
	}
	return ""
}

func attributes(values map[string]types.AttributeValue) map[string]any {
	if values == nil {
		return nil
	}
	out := make(map[string]any, len(values))
	for name, v := range values {
		out[name] = attribute(v)
	}
	return out
}

// attribute is a value with its type, as DynamoDB writes it in JSON.
func attribute(v types.AttributeValue) map[string]any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": v.Value}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberNULL:
		return map[string]any{"NULL": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": v.Value}
	case *types.AttributeValueMemberNS:
		return map[string]any{"NS": v.Value}
	case *types.AttributeValueMemberBS:
		return map[string]any{"BS": v.Value}
	case *types.AttributeValueMemberM:
		return map[string]any{"M": attributes(v.Value)}
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for i, element := range v.Value {
			list[i] = attribute(element)
		}
		return map[string]any{"L": list}
	}
	return map[string]any{} // a type that this SDK does not know
}

// envelope is what an event has beside its records and a comma for each.
const envelope = len(`{"Records":[]}`)

// event joins records to what the function is handed.
func event(records []record) []byte {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i, r := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r.json)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
