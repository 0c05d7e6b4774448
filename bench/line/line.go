// Package line is a line between programs on one machine that is as slow as one
// between machines: each connection gets so much, and all together so much.
package line

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// Limits are in bytes a second, for each direction by itself.
type Limits struct {
	Connection int64 // of each
	Whole      int64 // of all together
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

// connect moves the bytes of a connection both ways until it ends.
func (l *Line) connect(client *net.TCPConn) {
	defer client.Close()
	conn, err := net.Dial("tcp", l.server)
	if err != nil {
		return // as if nobody listened
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { move(server, client, &pace{rate: l.limits.Connection}, &l.up) })
	both.Go(func() { move(client, server, &pace{rate: l.limits.Connection}, &l.down) })
	both.Wait()
}

// piece is how many bytes pass before the line waits.
const piece = 64 << 10

// move copies what comes, at these paces, and passes the end on.
func move(to, from *net.TCPConn, paces ...*pace) {
	for {
		n, err := io.CopyN(to, from, piece)
		for _, p := range paces {
			p.wait(n)
		}
		switch {
		case err == io.EOF:
			to.CloseWrite()
			return
		case err != nil:
			to.Close() // which ends the other direction as well
			from.Close()
			return
		}
	}
}
