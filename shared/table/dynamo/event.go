package dynamo

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// An Event is what Lambda hands a function for some records of the table's
// stream, in its JSON.
type Event struct {
	Records []EventRecord `json:"Records"`
}

// An EventRecord is one record of an Event.
type EventRecord struct {
	ID       string         `json:"eventID"`
	Written  *eventImages   `json:"dynamodb"`
	Identity *eventIdentity `json:"userIdentity"`
}

type eventImages struct {
	At       float64               `json:"ApproximateCreationDateTime"` // seconds since 1970
	Sequence string                `json:"SequenceNumber"`
	Keys     map[string]eventValue `json:"Keys"`
	Old      map[string]eventValue `json:"OldImage"`
	New      map[string]eventValue `json:"NewImage"`
}

type eventIdentity struct {
	Type      string `json:"type"`
	Principal string `json:"principalId"`
}

// An eventValue has one of these, or none if the port has no such kind.
type eventValue struct {
	S, N *string
	B    []byte
}

// Sequence is the record's place in its shard, by which a function says how far
// it has come. It is "" if the record has none.
func (r EventRecord) Sequence() string {
	if r.Written == nil {
		return ""
	}
	return r.Written.Sequence
}

// Change makes of a record the same change as the function Change does of the
// one that the stream itself gives.
func (r EventRecord) Change() (table.Change, error) {
	if r.Written == nil {
		return table.Change{}, errors.New("stream record without a change")
	}
	at, err := secondsSince(r.Written.At)
	if err != nil {
		return table.Change{}, fmt.Errorf("time of stream record %s: %w", r.ID, err)
	}
	return change(images[eventValue]{
		id: r.ID, at: at, keys: r.Written.Keys, before: r.Written.Old, after: r.Written.New,
		byDynamoDB: r.Identity != nil && isDynamoDB(r.Identity.Type, r.Identity.Principal),
	}, eventAttr)
}

// yearTenThousand is the first second that has no RFC 3339.
const yearTenThousand = 253402300800

func secondsSince(n float64) (time.Time, error) {
	if n < 0 || n >= yearTenThousand {
		return time.Time{}, fmt.Errorf("%g is no number of seconds since 1970", n)
	}
	whole, part := math.Modf(n)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
}

// eventAttr is attr for the values of an Event.
func eventAttr(name string, v eventValue) (table.Attr, error) {
	switch {
	case v.S != nil:
		return table.S(name, *v.S), nil
	case v.N != nil:
		return number(name, *v.N)
	case v.B != nil:
		return table.B(name, v.B), nil
	}
	return table.Attr{}, nil
}
