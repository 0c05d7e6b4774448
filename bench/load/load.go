// Package load sends one request again and again over kept connections and
// measures how fast it is answered.
//
// It shares the machine with the server that it measures, so it is made to
// cost little: the request is bytes that are ready, and of an answer only the
// status and the length are read.
package load

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// patience is how long an answer may take beyond the end of a load.
const patience = 30 * time.Second

// A Load is what is to be sent, and for how long.
type Load struct {
	Addr        string // host:port
	Method      string
	Path        string            // with the query
	Header      map[string]string // besides Host
	Body        []byte            // nil: none
	Status      int               // that every answer must have
	Size        int64             // of the body that every answer must have
	Connections int
	Duration    time.Duration
}

// A Result is how a load was answered.
type Result struct {
	Requests int
	Bytes    int64 // of the answers' bodies
	Elapsed  time.Duration
	P50, P99 time.Duration // from the first byte sent to the last byte read
}

// Rate is in requests per second.
func (r Result) Rate() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Throughput is in bytes per second.
func (r Result) Throughput() float64 { return float64(r.Bytes) / r.Elapsed.Seconds() }

// Run opens all connections, then loads them. Each sends at least one request.
// Any answer but the one that is wanted is an error.
func (l Load) Run(ctx context.Context) (Result, error) {
	lanes, err := l.dial(ctx)
	defer func() {
		for _, lane := range lanes {
			lane.conn.Close()
		}
	}()
	if err != nil {
		return Result{}, fmt.Errorf("load %s: %w", l.Addr, err)
	}
	start := time.Now()
	errs := make([]error, len(lanes))
	var running sync.WaitGroup
	for i, lane := range lanes {
		running.Go(func() { errs[i] = lane.run(start.Add(l.Duration)) })
	}
	running.Wait()
	elapsed := time.Since(start)
	// When one connection fails so do most: one error says it.
	if err := cmp.Or(errs...); err != nil {
		return Result{}, fmt.Errorf("load %s %s: %w", l.Method, l.Path, err)
	}
	return sum(lanes, elapsed), nil
}

func (l Load) dial(ctx context.Context) ([]*lane, error) {
	var dialer net.Dialer
	request := l.request()
	var lanes []*lane
	for range l.Connections {
		conn, err := dialer.DialContext(ctx, "tcp", l.Addr)
		if err != nil {
			return lanes, err
		}
		lanes = append(lanes, newLane(conn, request, l))
		if err := conn.SetDeadline(time.Now().Add(l.Duration + patience)); err != nil {
			return lanes, err
		}
	}
	return lanes, nil
}

// request is what goes over the wire.
func (l Load) request() []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: berth-bench\r\n", l.Method, l.Path, l.Addr)
	for name, value := range l.Header {
		b = fmt.Appendf(b, "%s: %s\r\n", name, value)
	}
	if l.Body != nil {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(l.Body))
	}
	b = append(b, "\r\n"...)
	return append(b, l.Body...)
}

func sum(lanes []*lane, elapsed time.Duration) Result {
	var all []time.Duration
	for _, lane := range lanes {
		all = append(all, lane.latencies...)
	}
	r := Of(all, elapsed)
	for _, lane := range lanes {
		r.Bytes += lane.bytes
	}
	return r
}

// Of is the result of at least one request, of whose bytes nothing is known. It
// sorts the latencies.
func Of(latencies []time.Duration, elapsed time.Duration) Result {
	slices.Sort(latencies)
	n := len(latencies)
	return Result{Requests: n, Elapsed: elapsed, P50: latencies[n/2], P99: latencies[n*99/100]}
}
