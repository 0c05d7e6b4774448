package line

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// send sends bytes to the echo behind an address and returns what comes back.
func send(t *testing.T, addr string, body []byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		conn.Write(body)
		conn.(*net.TCPConn).CloseWrite()
	}()
	back, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return back
}

// Bytes arrive as they were, and no sooner than they may. How much later is the
// machine's business.
func TestLine(t *testing.T) {
	const size = 1 << 20
	for _, tt := range []struct {
		name        string
		limits      Limits
		connections int
		least       time.Duration
	}{
		{"one connection", Limits{Connection: 4 << 20, Whole: 64 << 20}, 1, 220 * time.Millisecond},
		{"all connections", Limits{Connection: 64 << 20, Whole: 8 << 20}, 3, 330 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line, err := Open(echo(t), tt.limits)
			if err != nil {
				t.Fatal(err)
			}
			defer line.Close()
			body := make([]byte, size)
			rand.Read(body)
			began := time.Now()
			var all sync.WaitGroup
			for range tt.connections {
				all.Go(func() {
					if back := send(t, line.Addr(), body); !bytes.Equal(back, body) {
						t.Errorf("%d bytes came back, which are not the %d that were sent", len(back), len(body))
					}
				})
			}
			all.Wait()
			if took := time.Since(began); took < tt.least {
				t.Errorf("took %v, want at least %v", took, tt.least)
			}
		})
	}
}

// Where no server is, the connection ends.
func TestNoServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	line, err := Open(listener.Addr().String(), Limits{Connection: 1 << 20, Whole: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	conn, err := net.Dial("tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Errorf("read %d bytes of nobody, %v", n, err)
	}
}
