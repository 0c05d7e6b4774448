package stream

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Why records were given up.
const (
	RetryAttemptsExhausted = "RetryAttemptsExhausted"
	RecordAgeExceeded      = "RecordAgeExceeded"
)

// A DeadLetter says which records were given up, and why. As JSON it is the
// message that Lambda sends to a queue: the records themselves are not in it,
// they must be fetched from the stream while it has them.
type DeadLetter struct {
	RequestContext     RequestContext   `json:"requestContext"`
	ResponseContext    *ResponseContext `json:"responseContext,omitempty"` // nil if the function was not asked
	Version            string           `json:"version"`
	Timestamp          time.Time        `json:"timestamp"`
	DDBStreamBatchInfo BatchInfo        `json:"DDBStreamBatchInfo"`
}

// RequestContext is the last attempt.
type RequestContext struct {
	RequestID              string `json:"requestId"`
	Condition              string `json:"condition"`
	ApproximateInvokeCount int    `json:"approximateInvokeCount"`
}

// ResponseContext is what the function answered.
type ResponseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// BatchInfo says where in the stream the records are.
type BatchInfo struct {
	ShardID                         string    `json:"shardId"`
	StartSequenceNumber             string    `json:"startSequenceNumber"`
	EndSequenceNumber               string    `json:"endSequenceNumber"`
	ApproximateArrivalOfFirstRecord time.Time `json:"approximateArrivalOfFirstRecord"`
	ApproximateArrivalOfLastRecord  time.Time `json:"approximateArrivalOfLastRecord"`
	BatchSize                       int       `json:"batchSize"`
	StreamARN                       string    `json:"streamArn"`
}

// giveUp tells whoever wants to know of records that were in vain, and goes on
// behind them.
func (m *Mapping) giveUp(ctx context.Context, sh *shard, r run, condition string, last Answer) {
	first, end := r.records[0], r.records[len(r.records)-1]
	m.Log.ErrorContext(ctx, "stream records are given up", "shard", sh.id, "condition", condition,
		"from", first.sequence, "to", end.sequence, "records", len(r.records))
	if m.OnFailure != nil {
		m.OnFailure(m.letter(sh, r, condition, last))
	}
	// A crash here has them given up once more.
	m.count(func(s *Stats) { s.GivenUp += int64(len(r.records)) })
	sh.failures = 0
	m.checkpoint(ctx, sh, end.sequence, false)
	m.setAge(sh, time.Time{})
}

func (m *Mapping) letter(sh *shard, r run, condition string, last Answer) DeadLetter {
	first, end := r.records[0], r.records[len(r.records)-1]
	d := DeadLetter{
		RequestContext: RequestContext{RequestID: last.RequestID, Condition: condition, ApproximateInvokeCount: r.attempts},
		Version:        "1.0",
		Timestamp:      time.Now().UTC(),
		DDBStreamBatchInfo: BatchInfo{
			ShardID: wholeShard(sh.id), StreamARN: m.Stream, BatchSize: len(r.records),
			StartSequenceNumber: first.sequence, EndSequenceNumber: end.sequence,
			ApproximateArrivalOfFirstRecord: first.created, ApproximateArrivalOfLastRecord: end.created,
		},
	}
	if condition == RetryAttemptsExhausted {
		d.ResponseContext = &ResponseContext{StatusCode: 200, ExecutedVersion: "$LATEST"}
		if last.Failed {
			d.ResponseContext.FunctionError = "Unhandled"
		}
	}
	if d.RequestContext.RequestID == "" {
		d.RequestContext.RequestID = uuid.NewString()
	}
	return d
}
