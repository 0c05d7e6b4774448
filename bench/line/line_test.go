package line

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
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

// What is sent arrives later by the delay, each way, and the first of it by a
// round trip more. Much of it may be on its way at once.
func TestDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	line, err := Open(echo(t), Limits{Delay: delay})
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	conn, err := net.Dial("tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, want := range []time.Duration{4 * delay, 2 * delay, 2 * delay} {
		began, back := time.Now(), make([]byte, 4)
		if _, err := conn.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, back); err != nil || string(back) != "ping" {
			t.Fatalf("%q came back, %v", back, err)
		}
		if took := time.Since(began); took < want {
			t.Errorf("exchange %d took %v, want at least %v", i+1, took, want)
		}
	}

	body := make([]byte, 8<<20)
	rand.Read(body)
	began := time.Now()
	if back := send(t, line.Addr(), body); !bytes.Equal(back, body) {
		t.Errorf("%d bytes came back, which are not the %d that were sent", len(back), len(body))
	}
	if took, stopAndGo := time.Since(began), 128*2*delay; took > stopAndGo/2 {
		t.Errorf("8 MiB took %v: they wait for each other", took)
	}
}

// A client that hangs up in the middle ends the connection to the server.
func TestDelayedEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	line, err := Open(listener.Addr().String(), Limits{Delay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	client, err := net.Dial("tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client.(*net.TCPConn).SetLinger(0) // a reset, not an end
	client.Close()
	server.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := server.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server read %d bytes, %v: it was not told", n, err)
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
