package sqs

import (
	"context"
	"crypto/md5" // it is what SQS and its clients compare bodies by
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// What the API takes.
const (
	mostMessages   = 10
	mostWait       = 20           // seconds
	mostVisibility = 12 * 60 * 60 // seconds
	longestBody    = 1 << 20      // bytes
)

// receive hands out messages. If there are none it waits for the first one, if
// it is asked to.
func (s *Service) receive(ctx context.Context, q *queue, a asked) (any, error) {
	limit, err := within("MaxNumberOfMessages", a.MaxNumberOfMessages, 1, 1, mostMessages)
	if err != nil {
		return nil, err
	}
	wait, err := within("WaitTimeSeconds", &a.WaitTimeSeconds, 0, 0, mostWait)
	if err != nil {
		return nil, err
	}
	visibility, err := within("VisibilityTimeout", a.VisibilityTimeout, int(q.Visibility.Seconds()), 0, mostVisibility)
	if err != nil {
		return nil, err
	}
	taken, err := s.await(ctx, q, time.Duration(wait)*time.Second, func() []message {
		return q.take(limit, time.Duration(visibility)*time.Second)
	})
	if err != nil {
		return nil, err
	}
	shown := []map[string]any{}
	for _, m := range taken {
		shown = append(shown, m.shown(a))
	}
	return map[string]any{"Messages": shown}, nil
}

// await takes, and waits for something to be taken as long as it may.
func (s *Service) await(ctx context.Context, q *queue, wait time.Duration, take func() []message) ([]message, error) {
	end := time.Now().Add(wait)
	for {
		s.mu.Lock()
		taken, arrived, again := take(), q.arrived, q.untilVisible(time.Until(end))
		s.mu.Unlock()
		if len(taken) > 0 || !time.Now().Before(end) {
			return taken, nil
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-arrived:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// shown is a message as ReceiveMessage writes it, with the attributes asked for.
func (m message) shown(a asked) map[string]any {
	out := map[string]any{"MessageId": m.id, "ReceiptHandle": m.handle, "Body": m.body, "MD5OfBody": sum(m.body)}
	if of := chosen(slices.Concat(a.AttributeNames, a.MessageSystemAttributeNames), map[string]string{
		"ApproximateFirstReceiveTimestamp": millis(m.firstReceived),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"SentTimestamp":                    millis(m.sent),
	}); len(of) > 0 {
		out["Attributes"] = of
	}
	given := map[string]any{}
	for name, value := range chosen(a.MessageAttributeNames, m.attributes) {
		given[name] = map[string]string{"DataType": "String", "StringValue": value}
	}
	if len(given) > 0 {
		out["MessageAttributes"] = given
	}
	return out
}

// chosen are those of some values whose names are listed, or all.
func chosen(names []string, of map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range of {
		if slices.Contains(names, name) || slices.Contains(names, "All") {
			out[name] = value
		}
	}
	return out
}

func (s *Service) deleteMessage(_ context.Context, q *queue, a asked) (any, error) {
	return s.with(q, a.ReceiptHandle, q.remove)
}

func (s *Service) changeVisibility(_ context.Context, q *queue, a asked) (any, error) {
	seconds, err := within("VisibilityTimeout", a.VisibilityTimeout, -1, 0, mostVisibility)
	if err != nil {
		return nil, err
	}
	return s.with(q, a.ReceiptHandle, func(m *message) {
		m.hidden = time.Now().Add(time.Duration(seconds) * time.Second)
	})
}

// with does something to the message of a handle, if it is still there.
func (s *Service) with(q *queue, handle string, do func(*message)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := q.find(handle)
	if !ok {
		return nil, failure{"ReceiptHandleIsInvalid", "The input receipt handle is invalid."}
	}
	if m != nil {
		do(m)
	}
	return struct{}{}, nil
}

func (s *Service) attributes(_ context.Context, q *queue, a asked) (any, error) {
	s.mu.Lock()
	visible, hidden := q.counts()
	s.mu.Unlock()
	return map[string]any{"Attributes": chosen(a.AttributeNames, map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesDelayed":    "0",
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		"QueueArn":                              q.ARN,
		"VisibilityTimeout":                     strconv.Itoa(int(q.Visibility.Seconds())),
	})}, nil
}

func (s *Service) url(_ context.Context, q *queue, _ asked) (any, error) {
	return map[string]any{"QueueUrl": q.URL}, nil
}

func (s *Service) sendMessage(_ context.Context, q *queue, a asked) (any, error) {
	if a.MessageBody == "" || len(a.MessageBody) > longestBody {
		return nil, failure{"InvalidParameterValue", "One or more parameters are invalid. Reason: Message must not be empty, nor longer than 1048576 bytes."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := q.add(a.MessageBody)
	return map[string]any{"MessageId": m.id, "MD5OfMessageBody": sum(m.body)}, nil
}

// within is a number that was given, or else the preset one.
func within(name string, given *int, preset, low, high int) (int, error) {
	n := preset
	if given != nil {
		n = *given
	}
	if n < low || n > high {
		return 0, failure{"InvalidParameterValue", fmt.Sprintf(
			"Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", n, name, low, high)}
	}
	return n, nil
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func sum(body string) string {
	of := md5.Sum([]byte(body))
	return hex.EncodeToString(of[:])
}
