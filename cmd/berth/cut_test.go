package main

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/registry"
)

// cutting is a line to a server on which connections end somewhere below upTo
// bytes from the server, until as many have been cut as it was told.
func cutting(t *testing.T, server string, cuts int, upTo int64) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	var mu sync.Mutex
	carry := func(client net.Conn) {
		defer client.Close()
		behind, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer behind.Close()
		mu.Lock()
		cut := cuts > 0
		cuts--
		mu.Unlock()
		go func() { _, _ = io.Copy(behind, client) }()
		if cut {
			_, _ = io.CopyN(client, behind, rand.Int64N(upTo))
			return
		}
		_, _ = io.Copy(client, behind)
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go carry(client)
		}
	}()
	return listener.Addr().String()
}

// A line that is cut again and again costs time and nothing else.
func TestCopyOverABadLine(t *testing.T) {
	alone(t)
	from, to := open(t, registry.Rules{}), open(t, registry.Rules{})
	index, _ := pushIndexOf(t, from.URL, "app", "1")
	bad := cutting(t, to.host(), 12, 900)
	berth(t, "", "push", from.host()+"/app:1", bad+"/app:1").wants(t, 0, string(index.Digest))
	hasAll(t, to.URL, "app", "1")

	t.Chdir(t.TempDir())
	bad = cutting(t, to.host(), 12, 3<<20)
	berth(t, "", "pull", bad+"/app:1", "app.tar").wants(t, 0, string(index.Digest))
	back := open(t, registry.Rules{})
	berth(t, "", "push", "app.tar", back.host()+"/app:1").wants(t, 0, string(index.Digest))
	hasAll(t, back.URL, "app", "1")
}
