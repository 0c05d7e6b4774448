package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// Used remembers that an access key was used today. It writes at most once a
// day, and a key that is gone meanwhile stays gone.
func (l *Ledger) Used(ctx context.Context, id string) error {
	day := l.now().UTC().Format(time.DateOnly)
	if !IsID(id) || l.today.has(day, id) {
		return nil
	}
	if err := l.used(ctx, id, day); err != nil {
		return fmt.Errorf("remember use of access key: %w", err)
	}
	l.today.add(day, id)
	return nil
}

func (l *Ledger) used(ctx context.Context, id, day string) error {
	item, err := l.table.Get(ctx, robotKey(id))
	before := item.Str(attrUsed)
	if errors.Is(err, table.ErrAbsent) || err == nil && before == day {
		return nil
	}
	if err != nil {
		return err
	}
	err = l.write(ctx, table.Update(robotKey(id), table.S(attrUsed, day)).When(table.Equals(table.S(attrUsed, before))))
	if table.LostRace(err) { // then somebody else wrote the day, or revoked the key
		return nil
	}
	return err
}

// A diary has the access keys of which it is known that today's use is kept, so
// that most uses cost no read either.
type diary struct {
	mu  sync.Mutex
	day string
	ids map[string]bool
}

// maxDiary bounds it: what does not fit costs a read each time.
const maxDiary = 10_000

func (d *diary) has(day, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.day == day && d.ids[id]
}

func (d *diary) add(day, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.day != day {
		d.day, d.ids = day, map[string]bool{}
	}
	if len(d.ids) < maxDiary {
		d.ids[id] = true
	}
}
