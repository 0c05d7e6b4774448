package news

import (
	"testing"
	"time"
)

func TestMetric(t *testing.T) {
	const out = `goos: linux
BenchmarkStreamDelay/writers=1-2         	     500	   2350493 ns/op	      1174 p50-µs	      6979.5 p99-µs
BenchmarkStreamDelay/writers=50          	     500	    138680 ns/op	       -87.00 p50-µs	      8723 p99-µs
`
	for _, tt := range []struct {
		benchmark, name string
		want            time.Duration
	}{
		{"BenchmarkStreamDelay/writers=1", "p50-µs", 1174 * time.Microsecond},
		{"BenchmarkStreamDelay/writers=1", "p99-µs", 6979500 * time.Nanosecond},
		{"BenchmarkStreamDelay/writers=50", "p50-µs", -87 * time.Microsecond},
	} {
		if got, err := metric([]byte(out), tt.benchmark, tt.name); err != nil || got != tt.want {
			t.Errorf("%s, %s: got %v, %v, want %v", tt.benchmark, tt.name, got, err, tt.want)
		}
	}
	if got, err := metric([]byte(out), "BenchmarkStreamDelay/writers=5", "p50-µs"); err == nil {
		t.Errorf("of 5 writers: got %v", got)
	}
}
