package telemetry

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthregistry/berth/shared/distribution"
)

// Bounds of the duration histogram in seconds: from an item read to a layer of
// many gigabytes.
var durations = []float64{
	.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800,
}

// metrics are what is counted about requests.
type metrics struct {
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge

	// To look up a series by its labels costs more than to count in it, so
	// each is looked up once. The map is replaced, never changed.
	series atomic.Pointer[map[labels]*series]
	grow   sync.Mutex
}

type labels struct{ method, route string }

// A series are the metrics of one method on one route.
type series struct {
	classes  [6]prometheus.Counter // by the first digit of the status; 0 for what is none
	bytes    prometheus.Counter
	duration prometheus.Observer
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_requests_total",
			Help: "Requests answered, by class of status.",
		}, []string{"method", "route", "class"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_response_bytes_total",
			Help: "Bytes of response bodies.",
		}, []string{"method", "route"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "berth_request_duration_seconds",
			Help:    "From the request's header to the end of the answer.",
			Buckets: durations,
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "berth_requests_in_flight",
			Help: "Requests being answered now.",
		}),
	}
	m.series.Store(&map[labels]*series{})
	reg.MustRegister(m.requests, m.bytes, m.duration, m.inFlight)
	return m
}

func (m *metrics) observe(x distribution.Exchange) {
	s := m.of(labels{method(x.Method), x.Route})
	class := x.Status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	s.classes[class].Inc()
	s.bytes.Add(float64(x.Bytes))
	s.duration.Observe(x.Duration.Seconds())
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete,
}

// method keeps strangers from making a series for every word they think of.
func method(m string) string {
	if slices.Contains(methods, m) {
		return m
	}
	return "other"
}

func (m *metrics) of(l labels) *series {
	if s, ok := (*m.series.Load())[l]; ok {
		return s
	}
	m.grow.Lock()
	defer m.grow.Unlock()
	known := *m.series.Load()
	if s, ok := known[l]; ok {
		return s
	}
	s := m.resolve(l)
	more := maps.Clone(known)
	more[l] = s
	m.series.Store(&more)
	return s
}

func (m *metrics) resolve(l labels) *series {
	s := &series{
		bytes:    m.bytes.WithLabelValues(l.method, l.route),
		duration: m.duration.WithLabelValues(l.method, l.route),
	}
	for i, class := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		s.classes[i] = m.requests.WithLabelValues(l.method, l.route, class)
	}
	return s
}

// CountInFlight returns next with a count of the requests that it is busy with.
func (r *Recorder) CountInFlight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.metrics.inFlight.Inc()
		defer r.metrics.inFlight.Dec()
		next.ServeHTTP(w, req)
	})
}
