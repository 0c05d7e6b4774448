package news

import (
	"context"
	"strings"
	"time"

	"github.com/berthregistry/berth/bench/target"
)

// glance is how long to wait between looks at a stream. Lambda waits for 250 ms.
// More of them would take the engine's time from whoever is measured.
const glance = 25 * time.Millisecond

// A Stream notes when referrers were in the stream of a table on DynamoDB.
type Stream struct{ Arrivals }

// WatchStream notes them until ctx ends.
func WatchStream(ctx context.Context, db *target.DynamoDB, table string) (*Stream, error) {
	tail, err := db.Tail(ctx, table)
	if err != nil {
		return nil, err
	}
	s := &Stream{}
	go func() {
		for ctx.Err() == nil {
			sorts, _ := tail.Next(ctx) // what is missed comes with the next look
			for _, sort := range sorts {
				s.noteItem(sort, time.Now())
			}
			time.Sleep(glance)
		}
	}()
	return s, nil
}

// noteItem notes the item of a referrer. Its key ends with the digest, as
// shared/registry builds it.
func (s *Stream) noteItem(sort string, at time.Time) {
	if strings.HasPrefix(sort, "referrer#") {
		s.note(sort[strings.LastIndexByte(sort, '#')+1:], at)
	}
}
