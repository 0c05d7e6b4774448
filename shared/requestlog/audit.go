package requestlog

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/berthregistry/berth/shared/distribution"
)

// audited says whether a request has an audit line: where there is access
// control, what was refused for who asked, and what changed something.
func audited(x *distribution.Exchange) bool {
	return x.Denied || x.Principal != "" && changed(x)
}

// changed says whether others may find the registry changed by a request. The
// parts of an upload are not seen by anybody before its end. What went wrong on
// our side, or was not waited for, may have happened: also where a store was too
// busy to say so, which is answered with 429. A PUT that is answered with 202 is a
// direct upload that is complete, and of which nobody tells when it can be seen.
func changed(x *distribution.Exchange) bool {
	perhaps := x.Status == http.StatusTooManyRequests || x.Status >= 499
	switch x.Method {
	case http.MethodPost:
		return perhaps || x.Status == http.StatusCreated || x.Mounted > 0
	case http.MethodPut:
		return perhaps || x.Status == http.StatusCreated || x.Status == http.StatusAccepted
	case http.MethodDelete:
		return perhaps || x.Status == http.StatusAccepted
	}
	return false
}

// audit writes who did, or wanted to do, what. The line has no principal where
// credentials were no good: then nobody knows.
func (l *Log) audit(ctx context.Context, x *distribution.Exchange) {
	var buf [maxAttrs]slog.Attr
	a := text(buf[:0], "principal", x.Principal)
	a = text(a, "action", x.Action)
	a = append(a,
		slog.String("method", x.Method),
		slog.String("route", x.Route),
		slog.String("repository", x.Repo),
		slog.String("reference", x.Ref),
	)
	a = text(a, "tags", strings.Join(x.Tags, " "))
	a = text(a, "hint", x.Hint)
	a = count(a, "mounted", x.Mounted)
	a = append(a, slog.Bool("allowed", !x.Denied), slog.Int("status", x.Status))
	a = text(a, "rule", x.Rule)
	a = text(a, "address", x.Address)
	l.write(ctx, slog.LevelInfo, "audit", append(a, slog.String("request_id", x.RequestID)))
}
