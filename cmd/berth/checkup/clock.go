package checkup

import (
	"context"
	"net/http"
	"time"
)

// tolerance is how far clocks may be apart. URLs of redirects hold for a
// minute, signatures of requests for five.
const tolerance = 5 * time.Minute

// A clock is one of those that take part in a pull.
type clock struct {
	name  string
	ahead time.Duration // of this machine's
}

// clocks are the gateway's, the one that signs URLs, and the bucket's, as far
// as they can be read.
func (v *visit) clocks(ctx context.Context) (all []clock, err error) {
	began := time.Now()
	e, a, err := v.echo(ctx, http.MethodGet, "", nil)
	if err != nil {
		return nil, err
	}
	if a.get("Date") != "" {
		all = append(all, clock{gatewayClock, a.ahead})
	}
	if e != nil {
		all = append(all, clock{"the registry", ahead(e.Time, began, time.Now())})
	}
	if v.reached {
		all = append(all, clock{"the bucket", v.bucket})
	}
	return all, nil
}

// gatewayClock only tells the Date.
const gatewayClock = "the gateway"

// clock compares them with this machine's.
func (v *visit) clock(ctx context.Context) Finding {
	all, err := v.clocks(ctx)
	switch {
	case err != nil:
		return failed(err)
	case len(all) == 0:
		return skipped("no answer tells the time")
	}
	var wrong []clock
	for _, c := range all {
		if c.ahead.Abs() > tolerance {
			wrong = append(wrong, c)
		}
	}
	if len(wrong) == 0 {
		return ok("%s, within %s", plural(len(all)+1, "clock"), tolerance)
	}
	seen := wrong[0].name + " is " + apart(wrong[0].ahead)
	if len(wrong) == 1 && len(all) > 1 && wrong[0].name == gatewayClock {
		return harmless(seen+", by Date alone", "the clock that signs the URLs of redirects agrees with this machine")
	}
	return differs(seen, "set the clock of this machine, or tell whoever runs %s: URLs of redirects hold for a minute", wrong[0].name)
}

// apart writes how far a clock is ahead or behind.
func apart(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " behind this machine"
	}
	return d.Round(time.Second).String() + " ahead of this machine"
}
