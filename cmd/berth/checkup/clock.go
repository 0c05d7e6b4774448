package checkup

import (
	"context"
	"net/http"
	"time"
)

// tolerance is how far clocks may be apart. URLs of redirects hold for a
// minute, signatures of requests for five.
const tolerance = 5 * time.Minute

// clock compares this machine's clock with the gateway's, with the one that
// signs URLs, and with the bucket's.
func (v *visit) clock(ctx context.Context) Finding {
	began := time.Now()
	e, a, err := v.echo(ctx, http.MethodGet, "", nil)
	if err != nil {
		return failed(err)
	}
	type clock struct {
		name  string
		ahead time.Duration
		known bool
	}
	clocks := []clock{{name: "the gateway", ahead: a.ahead, known: a.get("Date") != ""}}
	if e != nil {
		clocks = append(clocks, clock{"the registry", ahead(e.Time, began, time.Now()), true})
	}
	clocks = append(clocks, clock{"the bucket", v.bucket, v.reached})
	if _, known := a.header["Date"]; !known && !v.reached && e == nil {
		return skipped("no answer tells the time")
	}
	agree := 0
	var wrong *clock
	for i, c := range clocks {
		switch {
		case !c.known:
		case c.ahead.Abs() <= tolerance:
			agree++
		case wrong == nil:
			wrong = &clocks[i]
		}
	}
	if wrong == nil {
		return ok("%s, within %s", plural(agree+1, "clock"), tolerance)
	}
	seen := wrong.name + " is " + apart(wrong.ahead)
	if agree > 0 && wrong.name == "the gateway" {
		return harmless(seen+", by Date alone", "the clock that signs the URLs of redirects agrees with this machine")
	}
	return differs(seen, "set the clock of this machine, or tell whoever runs %s: URLs of redirects hold for a minute", wrong.name)
}

// apart writes how far a clock is ahead or behind.
func apart(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " behind this machine"
	}
	return d.Round(time.Second).String() + " ahead of this machine"
}
