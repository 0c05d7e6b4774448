package announce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// An Event is a CloudEvent 1.0 in its JSON form. Source and ID together are the
// same however often it comes, and of no other event.
type Event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	DataSchema      string    `json:"dataschema"`
	// PartitionKey is what events are in order within (CloudEvents' extension
	// "Partitioning").
	PartitionKey string          `json:"partitionkey"`
	Data         json.RawMessage `json:"data"`

	// Change is the ID of the change of the table that it tells of. It stays here:
	// receivers have no use for it.
	Change string `json:"-"`
}

// TypePrefix begins the type of every event; the rest is a registry.Kind.
const TypePrefix = "dev.berth."

// MaxEvent bounds an event as JSON, in bytes, however it is escaped. EventBridge
// takes 256 KiB, with what it adds.
const MaxEvent = 200 << 10

// JSON is the event as it goes out: one line, without a line break at its end.
func (e Event) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it is no part of a page, and longer if it is escaped
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("write event %s: %w", e.ID, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
