package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/telemetry"
)

func pull() distribution.Exchange {
	return distribution.Exchange{
		Method: "GET", Route: "manifest", Repo: "team/app", Ref: "1",
		Status: 200, Bytes: 1234, Duration: 250 * time.Microsecond, RequestID: "6HV3ZQ",
	}
}

func request(t testing.TB) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/team/app/manifests/1?token=hunter2", nil)
	r.Header.Set("Authorization", "Bearer hunter2")
	return r
}

func TestLine(t *testing.T) {
	var out bytes.Buffer
	r := telemetry.New(telemetry.NewLogger(&out, telemetry.JSON, slog.LevelInfo), prometheus.NewRegistry())
	r.Observe(request(t), pull())

	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the line tells a secret: %s", out.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("line %q: %v", out.String(), err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "route": "manifest", "repository": "team/app", "reference": "1",
		"status": 200.0, "bytes": 1234.0, "duration": 250000.0, "request_id": "6HV3ZQ",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("line:\n got %v\nwant %v", got, want)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := telemetry.New(slog.New(slog.DiscardHandler), reg)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r.Observe(request(t), pull())
			x := pull()
			x.Method, x.Route, x.Status, x.Bytes = "BREW", "none", 418, 0
			r.Observe(request(t), x)
		})
	}
	wg.Wait()
	want := `
# HELP berth_requests_total Requests answered, by class of status.
# TYPE berth_requests_total counter
berth_requests_total{class="1xx",method="GET",route="manifest"} 0
berth_requests_total{class="2xx",method="GET",route="manifest"} 8
berth_requests_total{class="3xx",method="GET",route="manifest"} 0
berth_requests_total{class="4xx",method="GET",route="manifest"} 0
berth_requests_total{class="5xx",method="GET",route="manifest"} 0
berth_requests_total{class="none",method="GET",route="manifest"} 0
berth_requests_total{class="1xx",method="other",route="none"} 0
berth_requests_total{class="2xx",method="other",route="none"} 0
berth_requests_total{class="3xx",method="other",route="none"} 0
berth_requests_total{class="4xx",method="other",route="none"} 8
berth_requests_total{class="5xx",method="other",route="none"} 0
berth_requests_total{class="none",method="other",route="none"} 0
# HELP berth_response_bytes_total Bytes of response bodies.
# TYPE berth_response_bytes_total counter
berth_response_bytes_total{method="GET",route="manifest"} 9872
berth_response_bytes_total{method="other",route="none"} 0
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want), "berth_requests_total", "berth_response_bytes_total")
	if err != nil {
		t.Error(err)
	}
}

func TestInFlight(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := telemetry.New(slog.New(slog.DiscardHandler), reg)
	inFlight := func(want int) {
		t.Helper()
		text := fmt.Sprintf("# HELP berth_requests_in_flight Requests being answered now.\n"+
			"# TYPE berth_requests_in_flight gauge\nberth_requests_in_flight %d\n", want)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(text), "berth_requests_in_flight"); err != nil {
			t.Error(err)
		}
	}
	handler := r.CountInFlight(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inFlight(1) }))
	handler.ServeHTTP(httptest.NewRecorder(), request(t))
	inFlight(0)
}

// The whole of log and metrics, as berth serve has them.
func BenchmarkObserve(b *testing.B) {
	for _, format := range []telemetry.Format{telemetry.Text, telemetry.JSON} {
		b.Run(string(format), func(b *testing.B) {
			out := telemetry.NewWriter(io.Discard)
			r := telemetry.New(telemetry.NewLogger(out, format, slog.LevelInfo), prometheus.NewRegistry())
			req, x := request(b), pull()
			x.Ref = "sha256:" + strings.Repeat("0123456789abcdef", 4)
			b.ReportAllocs()
			for b.Loop() {
				r.Observe(req, x)
			}
		})
	}
}
