package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// A mailbox is a queue of SQS.
type mailbox struct {
	client *sqs.Client
	url    string
	look   int32 // how long it is asked for messages, in seconds
}

const (
	// hold is how long a message that was taken is nobody else's, in seconds. One
	// that this process dies with is there again behind it.
	hold = 300
	// look asks all of a queue. Without waiting only some of its machines are.
	look = 2
	most = 10 // messages at once, which is what SQS allows
)

func (m *mailbox) take(ctx context.Context) ([]types.Message, error) {
	out, err := m.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &m.url, MaxNumberOfMessages: most, VisibilityTimeout: hold, WaitTimeSeconds: m.look,
	})
	if err != nil {
		return nil, fmt.Errorf("take messages out of the queue: %w", err)
	}
	return out.Messages, nil
}

func (m *mailbox) delete(ctx context.Context, message types.Message) error {
	_, err := m.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &m.url, ReceiptHandle: message.ReceiptHandle})
	if err != nil {
		return fmt.Errorf("delete the message: %w", err)
	}
	return nil
}

// putBack lets others take a message at once.
func (m *mailbox) putBack(ctx context.Context, message types.Message) error {
	_, err := m.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &m.url, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0,
	})
	if err != nil {
		return fmt.Errorf("put a message back: %w", err)
	}
	return nil
}

// A redriver tells what the letters in a mailbox are about. It is used once.
type redriver struct {
	findBus   func(context.Context) error // fails if events would be gone
	letters   *mailbox
	stream    repeater
	announcer *announce.Announcer
	name      string // of the table
	drop      bool   // what is lost
	out       io.Writer

	seen map[string]types.Message // by their ids, as they were taken last
	done map[string]bool
}

// run takes letters until there is none that it has not seen.
func (r *redriver) run(ctx context.Context) error {
	if err := r.findBus(ctx); err != nil {
		return err
	}
	r.seen, r.done = map[string]types.Message{}, map[string]bool{}
	defer r.putBack(ctx)
	for fresh := true; fresh && ctx.Err() == nil; {
		messages, err := r.letters.take(ctx)
		if err != nil {
			return err
		}
		fresh = false
		for _, m := range messages {
			fresh = r.once(ctx, m) || fresh
		}
	}
	left := len(r.seen) - len(r.done)
	fmt.Fprintf(r.out, "%d messages are done, %d are still in the queue\n", len(r.done), left)
	if left > 0 { // for scripts
		return errors.Join(errors.New("not all is told"), context.Cause(ctx))
	}
	return context.Cause(ctx)
}

// once handles a message unless it has been here, and reports whether it had not.
func (r *redriver) once(ctx context.Context, m types.Message) bool {
	id := aws.ToString(m.MessageId)
	_, again := r.seen[id]
	r.seen[id] = m
	if !again && ctx.Err() == nil && r.handle(ctx, m) {
		r.done[id] = true
	}
	return !again
}

// putBack lets others take what is left, also if this was interrupted. If that
// fails they can take it a while later.
func (r *redriver) putBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for id, m := range r.seen {
		if !r.done[id] {
			_ = r.letters.putBack(ctx, m)
		}
	}
}

// handle tells what one letter is about, says what became of it, and reports
// whether the letter is gone.
func (r *redriver) handle(ctx context.Context, m types.Message) bool {
	l, err := r.read(m)
	if err == nil && !r.tell(ctx, *l.Batch) {
		return false
	}
	if err == nil {
		// A crash here has it told once more.
		err = r.letters.delete(ctx, m)
	}
	if err != nil {
		fmt.Fprintf(r.out, "message %s stays: %v\n", clean(aws.ToString(m.MessageId)), err)
	}
	return err == nil
}

// tell announces the changes of a batch, and reports whether nothing is left to
// be done for it.
func (r *redriver) tell(ctx context.Context, b batch) bool {
	n := 0
	span := dynamo.Span{Stream: b.Stream, Shard: b.Shard, First: b.First, Last: b.Last}
	err := r.stream.Again(ctx, span, func(ctx context.Context, changes []table.Change) error {
		done, err := r.announcer.Announce(ctx, changes)
		n += done
		return err
	})
	from, to := stamp(b.FirstAt), stamp(b.LastAt)
	told := "told again: what happened from %s to %s, changes: %d\n"
	trimmed, lost := err.(*dynamo.TrimmedError) // and nothing else
	switch {
	case err == nil:
		fmt.Fprintf(r.out, told, from, to, n)
		return true
	case !lost:
		fmt.Fprintf(r.out, "what happened from %s to %s could not be told: %s\n", from, to, cleanTo(1000, err.Error()))
		return false
	case !trimmed.Since.IsZero():
		fmt.Fprintf(r.out, told, stamp(trimmed.Since), to, n)
		to = stamp(trimmed.Since)
	}
	fmt.Fprintf(r.out, "lost: what happened from %s to %s is not in the stream any more\n", from, to)
	return r.drop
}

func (r *redriver) read(m types.Message) (l letter, err error) {
	if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &l); err != nil {
		return l, errors.New("it is no message of Lambda about a table's stream")
	}
	return l, l.check(r.name)
}

func stamp(t time.Time) string { return t.Local().Format(time.DateTime) }
