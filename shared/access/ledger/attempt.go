package ledger

import (
	"context"
	"time"
)

// ByIdentity and ByAddress make the names under which failures to log in are
// counted; "" is counted nowhere. Addresses of IPv6 count by their /64.
func ByIdentity(user string) string { return "identity:" + user }

// ByAddress is ByIdentity's sister.
func ByAddress(address string) string { return "address:" + address }

// Blocked says how long the most blocked of the names has to wait before the
// next attempt, 0 if none has to.
func (l *Ledger) Blocked(ctx context.Context, names ...string) (time.Duration, error) {
	return 0, ErrAbsent
}

// Failed counts a failure for each of the names. A name that is blocked is not
// counted, so attempts that go on cost no writes.
func (l *Ledger) Failed(ctx context.Context, names ...string) error { return ErrAbsent }

// A Witness counts failures in the memory of one process, and goes by what the
// ledger has counted as well. It is for who may read the table only.
type Witness struct{ ledger *Ledger }

// Witness returns a limiter that writes nothing.
func (l *Ledger) Witness() *Witness { return &Witness{ledger: l} }

// Blocked is like the ledger's.
func (w *Witness) Blocked(ctx context.Context, names ...string) (time.Duration, error) {
	return w.ledger.Blocked(ctx, names...)
}

// Failed is like the ledger's. It never fails.
func (w *Witness) Failed(ctx context.Context, names ...string) error { return nil }
