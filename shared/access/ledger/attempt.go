package ledger

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// Failures to log in are counted in windows that begin with the first. Who
// reaches the limit is blocked for what is left of the window, and for minBlock
// in any case.
const (
	window       = 5 * time.Minute
	minBlock     = 30 * time.Second
	perIdentity  = 10
	perAddress   = 50
	maxAttempted = 8 // names counted at once
)

const (
	identityPrefix = "identity:"
	addressPrefix  = "address:"
)

// ByIdentity is the name under which failures to log in as a user are counted.
// What is counted as "" is not counted.
func ByIdentity(user string) string {
	if user == "" {
		return ""
	}
	return identityPrefix + user
}

// ByAddress is the name under which failures from an address are counted, with
// or without a port. Who has one address of IPv6 has the 2^64 beside it as
// well, so these count as one.
func ByAddress(address string) string {
	if address == "" {
		return ""
	}
	if with, err := netip.ParseAddrPort(address); err == nil {
		address = with.Addr().String()
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return addressPrefix + address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		network, _ := ip.Prefix(64) // 64 bits are never too many
		return addressPrefix + network.String()
	}
	return addressPrefix + ip.String()
}

// limitOf is how many failures block a name.
func limitOf(name string) int64 {
	if strings.HasPrefix(name, addressPrefix) {
		return perAddress
	}
	return perIdentity
}

// A tally is the failures of a name in one window. The zero tally has none.
type tally struct {
	count       int64
	since, last time.Time // the first and the last of them
}

// blocked says how long the name has to wait.
func (t tally) blocked(name string, now time.Time) time.Duration {
	if t.count < limitOf(name) {
		return 0
	}
	return max(t.end().Sub(now), 0)
}

// end is when the tally counts no more.
func (t tally) end() time.Time {
	end := t.since.Add(window)
	if least := t.last.Add(minBlock); least.After(end) {
		return least
	}
	return end
}

// over says whether the next failure begins a new window.
func (t tally) over(name string, now time.Time) bool {
	return t.count == 0 || !now.Before(t.since.Add(window)) && t.blocked(name, now) == 0
}

// Attributes of a tally.
const (
	attrCount = "count"
	attrSince = "since"
	attrLast  = "last"
)

func tallyIn(item table.Item) tally {
	return tally{
		count: item.Num(attrCount),
		since: time.Unix(item.Num(attrSince), 0),
		last:  time.Unix(item.Num(attrLast), 0),
	}
}

// Blocked says how long the most blocked of the names has to wait before the
// next attempt, 0 if none has to. Attempts at the same moment may all find that
// they are not blocked yet: as many get beyond the limit as run at once.
func (l *Ledger) Blocked(ctx context.Context, names ...string) (time.Duration, error) {
	names, items, err := l.attempts(ctx, names)
	if err != nil {
		return 0, err
	}
	var wait time.Duration
	for _, name := range names {
		wait = max(wait, tallyIn(items[attemptKey(name)]).blocked(name, l.now()))
	}
	return wait, nil
}

// Failed counts a failure for each of the names. A name that is blocked is not
// counted, so attempts that go on cost no writes.
func (l *Ledger) Failed(ctx context.Context, names ...string) error {
	err := decide(ctx, func() error {
		names, items, err := l.attempts(ctx, names)
		if err != nil {
			return err
		}
		var actions []table.Action
		for _, name := range names {
			item, found := items[attemptKey(name)]
			actions = append(actions, l.count(name, item, found)...)
		}
		if len(actions) == 0 {
			return nil
		}
		return l.write(ctx, actions...)
	})
	if err != nil {
		return fmt.Errorf("count failed attempt: %w", err)
	}
	return nil
}

// attempts reads the tallies of names, and returns the names that count.
func (l *Ledger) attempts(ctx context.Context, names []string) ([]string, map[table.Key]table.Item, error) {
	names = countable(names)
	if len(names) == 0 {
		return nil, nil, nil
	}
	keys := make([]table.Key, 0, len(names))
	for _, name := range names {
		keys = append(keys, attemptKey(name))
	}
	items, err := l.table.GetMany(ctx, keys)
	if err != nil {
		return nil, nil, fmt.Errorf("read failed attempts: %w", err)
	}
	return names, items, nil
}

// countable returns the distinct names under which something is counted.
func countable(names []string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxAttempted)]
}

// count is the action that counts one more failure, none where it would make no
// difference. A new window takes the place of the one that was read; within a
// window the counter is added to, whoever else adds to it.
func (l *Ledger) count(name string, item table.Item, found bool) []table.Action {
	t, key, now := tallyIn(item), attemptKey(name), l.now()
	switch {
	case t.blocked(name, now) > 0:
		return nil
	case t.over(name, now):
		first := table.Put(key, table.N(attrCount, 1), table.N(attrSince, now.Unix()), table.N(attrLast, now.Unix()))
		return []table.Action{first.When(unchanged(item, found)).Until(now.Add(window + minBlock))}
	}
	again := table.Update(key, table.N(attrLast, now.Unix())).Adding(attrCount, 1)
	return []table.Action{again.When(table.Equals(table.N(attrSince, t.since.Unix())))}
}
