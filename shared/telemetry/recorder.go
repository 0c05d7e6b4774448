// Package telemetry tells what a registry does: a line in the log for each
// request, and figures for Prometheus.
//
// Both are in the way of every answer. What can be looked up once is looked up
// once, and lines go out in batches (see Writer), so that together they cost
// about as much as one read of the table.
package telemetry

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/requestlog"
)

// A Recorder records requests. It is safe for concurrent use.
type Recorder struct {
	lines   *requestlog.Log
	metrics *metrics
	pulls   *pulls
}

// New returns a recorder that logs to log and has its metrics collected by reg.
// It panics if reg has metrics of the same names already.
func New(log *slog.Logger, reg prometheus.Registerer) *Recorder {
	return &Recorder{lines: requestlog.New(log), metrics: newMetrics(reg), pulls: newPulls(reg)}
}

// Observe records an answer.
func (r *Recorder) Observe(req *http.Request, x distribution.Exchange) {
	r.metrics.observe(x)
	r.pulls.observe(x)
	r.lines.Write(req.Context(), x)
}
