package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// ReadAnnouncer is Read for the function that announces: it must be told of the
// bus, and of the registry's address.
func ReadAnnouncer(lookup func(string) (string, bool)) (Config, error) {
	e := environment{lookup: lookup}
	c := e.config()
	e.required("BERTH_BUS")
	e.required("BERTH_URL")
	if err := e.err(); err != nil {
		return Config{}, fmt.Errorf("read the environment: %w", err)
	}
	return c, nil
}

// Announcer returns the function that makes events of what has changed in the
// table. It makes no call.
//
// Its answer names the record from which on the batch must come again. If that
// is the first one it fails, which is what makes Lambda halve the batch until
// the record that can't be told is alone, and what the alarm counts.
func Announcer(c Config, log *slog.Logger) func(context.Context, dynamo.Event) (events.DynamoDBEventResponse, error) {
	return announcer(NewAnnouncer(c, NewTable(c, log), log), log)
}

// NewAnnouncer returns what tells of changes on AWS, from the registry at c.URL:
// the log that clients read, and the bus.
func NewAnnouncer(c Config, items table.Store, log *slog.Logger) *announce.Announcer {
	return &announce.Announcer{
		Source:   c.URL,
		Registry: registry.New(items, nil, registry.Options{}), // of bytes it needs none
		To:       []announce.Publisher{announce.NewLog(items, time.Now), newBus(c)},
		Log:      log,
	}
}

// announcer is all of an Announcer but its stores.
func announcer(a *announce.Announcer, log *slog.Logger) func(context.Context, dynamo.Event) (events.DynamoDBEventResponse, error) {
	return func(ctx context.Context, e dynamo.Event) (answer events.DynamoDBEventResponse, err error) {
		begun := time.Now()
		ctx, cancel := inTime(ctx)
		defer cancel()
		done, err := tell(ctx, a, e)
		if err == nil {
			log.InfoContext(ctx, "announcement", "records", done, "took", time.Since(begun))
			return answer, nil
		}
		log.ErrorContext(ctx, "announcement", "records", len(e.Records), "done", done, "err", err)
		if done == 0 || e.Records[done].Sequence() == "" {
			return answer, err
		}
		answer.BatchItemFailures = []events.DynamoDBBatchItemFailure{{ItemIdentifier: e.Records[done].Sequence()}}
		return answer, nil
	}
}

// tell tells of a batch and returns how many of its records are done, which is
// all if err is nil. What comes before a record that can't be read is told first.
func tell(ctx context.Context, a *announce.Announcer, e dynamo.Event) (done int, err error) {
	if len(e.Records) == 0 {
		return 0, errors.New("an event without records is not from the table's stream")
	}
	changes := make([]table.Change, 0, len(e.Records))
	var unread error
	for _, r := range e.Records {
		c, err := r.Change()
		if err != nil {
			unread = fmt.Errorf("read record %s: %w", r.Sequence(), err)
			break
		}
		changes = append(changes, c)
	}
	if done, err = a.Announce(ctx, changes); err != nil {
		return done, err
	}
	return done, unread
}
