package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// What PutEvents takes.
const (
	mostEntries  = 10
	tooMany      = 256 << 10 // bytes of all entries together
	maxRequest   = 4 << 20   // bytes, with what JSON escapes
	longestType  = 128
	bytesOfATime = 14
)

// An entry is an event as it is put.
type entry struct {
	Time         *float64 // seconds since 1970
	Source       string
	Resources    []string
	DetailType   string
	Detail       string
	EventBusName string
}

// bus is the name, which may be given by an ARN.
func (e entry) bus() string {
	if e.EventBusName == "" {
		return "default"
	}
	return e.EventBusName[strings.LastIndexByte(e.EventBusName, '/')+1:]
}

// time is the one that the entry has, or else now.
func (e entry) time(now time.Time) time.Time {
	if e.Time == nil {
		return now
	}
	seconds, rest := math.Modf(*e.Time)
	return time.Unix(int64(seconds), int64(rest*1e9)).UTC()
}

// size is what EventBridge counts.
func (e entry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if e.Time != nil {
		n += bytesOfATime
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// An outcome is what is answered of one entry.
type outcome struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// A failure is an error of a whole call.
type failure struct{ code, text string }

func (f failure) Error() string { return f.code + ": " + f.text }

// ServeHTTP answers PutEvents and DescribeEventBus; the header X-Amz-Target says
// which.
func (b *Bus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result, err := b.serve(w, r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	if f, ok := errors.AsType[failure](err); ok {
		result = map[string]string{"__type": f.code, "message": f.text}
		w.WriteHeader(http.StatusBadRequest)
	}
	_ = json.NewEncoder(w).Encode(result) // who asked has gone
}

func (b *Bus) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	body.DisallowUnknownFields()
	switch target := r.Header.Get("X-Amz-Target"); {
	case r.Method == http.MethodPost && target == "AWSEvents.PutEvents":
		return b.put(body)
	case r.Method == http.MethodPost && target == "AWSEvents.DescribeEventBus":
		return b.describe(body)
	default:
		return nil, failure{"UnknownOperationException", "localcloud does not know " + target + "."}
	}
}

// describe says that there is a bus, if so.
func (b *Bus) describe(body *json.Decoder) (any, error) {
	var asked struct{ Name string }
	if err := body.Decode(&asked); err != nil {
		return nil, misunderstood(err)
	}
	name := entry{EventBusName: asked.Name}.bus()
	if !slices.Contains(b.Buses, name) {
		return nil, failure{"ResourceNotFoundException", "Event bus " + name + " does not exist."}
	}
	return map[string]string{"Name": name, "Arn": "arn:aws:events:" + b.Region + ":" + b.Account + ":event-bus/" + name}, nil
}

func misunderstood(err error) error {
	return failure{"SerializationException", "localcloud does not understand the request: " + err.Error()}
}

func (b *Bus) put(body *json.Decoder) (any, error) {
	var asked struct{ Entries []entry }
	if err := body.Decode(&asked); err != nil {
		return nil, misunderstood(err)
	}
	if err := check(asked.Entries); err != nil {
		return nil, err
	}
	var outcomes []outcome
	failed := 0
	for _, e := range asked.Entries {
		o := b.putOne(e)
		if outcomes = append(outcomes, o); o.ErrorCode != "" {
			failed++
		}
	}
	return map[string]any{"FailedEntryCount": failed, "Entries": outcomes}, nil
}

// check refuses what EventBridge takes nothing of.
func check(entries []entry) error {
	if len(entries) < 1 || len(entries) > mostEntries {
		return failure{"ValidationException", fmt.Sprintf("%d entries; Member must have length between 1 and %d", len(entries), mostEntries)}
	}
	size := 0
	for _, e := range entries {
		size += e.size()
	}
	if size >= tooMany {
		return failure{"ValidationException", "Total size of the entries in the request is over the limit."}
	}
	return nil
}

// putOne takes an entry, or says why not.
func (b *Bus) putOne(e entry) outcome {
	switch {
	case e.Source == "":
		return missing("Source")
	case e.DetailType == "":
		return missing("DetailType")
	case e.Detail == "":
		return missing("Detail")
	case !isObject(e.Detail):
		return outcome{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."}
	case strings.HasPrefix(e.Source, "aws."):
		return outcome{ErrorCode: "NotAuthorizedForSourceException", ErrorMessage: "Not authorized for the source."}
	case !slices.Contains(b.Buses, e.bus()):
		// AWS takes the event without a word, and it is gone.
		return outcome{ErrorCode: "ResourceNotFoundException", ErrorMessage: "Event bus " + e.bus() + " does not exist."}
	case b.Refuse != nil && b.Refuse():
		return b.refusal()
	case len(e.DetailType) > longestType:
		b.Log.Error("an event is dropped without a word: its detail type is too long", "type", e.DetailType)
		return outcome{EventID: uuid.NewString()}
	}
	return outcome{EventID: b.take(e)}
}

func missing(name string) outcome {
	return outcome{
		ErrorCode:    "InvalidArgument",
		ErrorMessage: "Parameter " + name + " is not valid. Reason: " + name + " is a required argument.",
	}
}

// refusal is one for the moment, of both kinds in turn.
func (b *Bus) refusal() outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused++; b.refused%2 == 0 {
		return outcome{ErrorCode: "InternalFailure", ErrorMessage: "The operation has failed."}
	}
	return outcome{ErrorCode: "ThrottlingException", ErrorMessage: "Rate exceeded"}
}

func isObject(text string) bool {
	var of map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &of) == nil && of != nil
}
