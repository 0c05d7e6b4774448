package lambda

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// A lineWriter lets several environments write to one place, line by line.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer // nil: nothing is written
}

// printf writes one line of Lambda's own.
func (l *lineWriter) printf(prefix, format string, args ...any) {
	if l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "%s "+format+"\n", append([]any{prefix}, args...)...)
}

// A prefixWriter gathers what one process prints, and passes on whole lines.
type prefixWriter struct {
	to     *lineWriter
	prefix string
	begun  []byte // of a line that has no end yet
}

// The longest line that is kept whole.
const maxLine = 256 << 10

func (l *lineWriter) prefixed(prefix string) *prefixWriter {
	return &prefixWriter{to: l, prefix: prefix}
}

func (p *prefixWriter) Write(b []byte) (int, error) {
	p.begun = append(p.begun, b...)
	for {
		line, rest, ok := bytes.Cut(p.begun, []byte("\n"))
		if !ok && len(p.begun) < maxLine {
			return len(b), nil
		}
		p.to.printf(p.prefix, "%s", line)
		p.begun = rest
	}
}

func (e *environment) logStart(inv *invocation) {
	e.f.log.printf(e.name, "START RequestId: %s Version: $LATEST", inv.id)
}

// logEnd writes the lines with which Lambda closes an invocation. Of a custom
// runtime the initialisation is paid for as well.
func (s *serving) logEnd(took time.Duration) {
	if s.f.Log == nil {
		return
	}
	billed, init := took, ""
	if s.cold {
		billed += s.init
		init = fmt.Sprintf("\tInit Duration: %s ms", millis(s.init))
	}
	s.f.log.printf(s.name, "END RequestId: %s", s.inv.id)
	s.f.log.printf(s.name, "REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %.0f ms\tMemory Size: %d MB\tMax Memory Used: %d MB%s",
		s.inv.id, millis(took), math.Ceil(billed.Seconds()*1000), s.f.Memory, s.peak>>20, init)
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }

// traceID is the header of X-Ray, of a trace that is not recorded.
func traceID(at time.Time) string {
	var b [20]byte
	rand.Read(b[:])
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", at.Unix(), b[:12], b[12:])
}
