// Package line is a line between programs on one machine that is as slow as one
// between machines: each connection gets so much, and all together so much, and
// what is sent arrives some time later.
package line

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Limits say how slow a line is. What is 0 is not limited.
type Limits struct {
	Connection int64         // bytes a second of each, in each direction
	Whole      int64         // bytes a second of all together, in each direction
	Delay      time.Duration // of each byte in each direction: half of what is added to a round trip
}

// A Line leads to a server.
type Line struct {
	listener net.Listener
	server   string
	limits   Limits
	up, down pace // of all connections together
}

// Open opens a line to the server at an address, on a loopback port of its own.
func Open(server string, l Limits) (*Line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a line: %w", err)
	}
	line := &Line{listener: listener, server: server, limits: l, up: pace{rate: l.Whole}, down: pace{rate: l.Whole}}
	go line.accept()
	return line, nil
}

// Addr is where the line begins, as host and port.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// Close takes no more connections. Those that there are end with their clients.
func (l *Line) Close() { l.listener.Close() }

func (l *Line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // it was closed
		}
		go l.connect(client.(*net.TCPConn))
	}
}

// connect moves the bytes of a connection both ways until it ends. The kernel
// has connected the client to the line already; between machines that would
// have taken a round trip.
func (l *Line) connect(client *net.TCPConn) {
	defer client.Close()
	time.Sleep(2 * l.limits.Delay)
	conn, err := net.Dial("tcp", l.server)
	if err != nil {
		return // as if nobody listened
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { l.way(&l.up).move(server, client) })
	both.Go(func() { l.way(&l.down).move(client, server) })
	both.Wait()
}

// way is one direction of a new connection.
func (l *Line) way(all *pace) *way {
	return &way{paces: []*pace{{rate: l.limits.Connection}, all}, delay: l.limits.Delay}
}

// A way is one direction of a connection.
type way struct {
	paces []*pace
	delay time.Duration
}

// piece is how many bytes pass before the line waits.
const piece = 64 << 10

// move copies what comes, and passes the end on.
func (w *way) move(to, from *net.TCPConn) {
	forward := w.forward
	if w.delay > 0 {
		forward = w.detain
	}
	if forward(to, from) == io.EOF {
		to.CloseWrite()
		return
	}
	to.Close() // which ends the other direction as well
	from.Close()
}

// forward copies at once what comes, within the kernel where that can be, and
// returns why it ended.
func (w *way) forward(to, from *net.TCPConn) error {
	for {
		n, err := io.CopyN(to, from, piece)
		w.pass(n)
		if err != nil {
			return err
		}
	}
}

// pass returns when n bytes more have had their time.
func (w *way) pass(n int64) {
	for _, p := range w.paces {
		p.wait(n)
	}
}
