package load

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A lane is one connection and what was measured on it.
type lane struct {
	conn    net.Conn
	request []byte
	want    Load // for status and size
	answers answers

	latencies []time.Duration
	bytes     int64
}

func newLane(conn net.Conn, request []byte, want Load) *lane {
	return &lane{
		conn: conn, request: request, want: want,
		answers: answers{
			r: bufio.NewReaderSize(conn, 16<<10), conn: conn, sink: make([]byte, 1<<20),
			bodiless: want.Method == http.MethodHead,
		},
		latencies: make([]time.Duration, 0, 1<<16),
	}
}

// run sends and reads until the time has come.
func (l *lane) run(until time.Time) error {
	for start := time.Now(); ; {
		if _, err := l.conn.Write(l.request); err != nil {
			return err
		}
		status, size, err := l.answers.next()
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if status != l.want.Status || size != l.want.Size {
			return fmt.Errorf("answered %d with %d bytes, wanted %d with %d", status, size, l.want.Status, l.want.Size)
		}
		end := time.Now()
		l.latencies = append(l.latencies, end.Sub(start))
		l.bytes += size
		if end.After(until) {
			return nil
		}
		start = end
	}
}
