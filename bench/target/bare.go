package target

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/client"
)

// bareAnswer is the one answer of a bare server.
type bareAnswer struct {
	Addr string
	client.Answer
}

// Bare starts a net/http server that gives the same answer to everything: what
// no registry in Go can be faster than. The command, given the path of a file
// as its last argument, calls ServeBare.
func Bare(ctx context.Context, a client.Answer, dir string, command ...string) (*Target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start bare server: %w", err)
	}
	raw, err := json.Marshal(bareAnswer{addr, a})
	if err != nil {
		return nil, fmt.Errorf("start bare server: %w", err)
	}
	path := filepath.Join(dir, "bare.json")
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		return nil, fmt.Errorf("start bare server: %w", err)
	}
	return start(ctx, "bare", dir, addr, exec.CommandContext(ctx, command[0], append(command[1:], path)...))
}

// ServeBare is a bare server, with the answer that Bare wrote to the file at
// path, until ctx ends.
func ServeBare(ctx context.Context, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	var b bareAnswer
	if err := json.Unmarshal(raw, &b); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	b.Header.Del("Date") // the server sets it, as it does for others
	server := &http.Server{Addr: b.Addr, Handler: b.handler()}
	context.AfterFunc(ctx, func() { server.Close() })
	return server.ListenAndServe()
}

// handler gives the answer to everything.
func (a bareAnswer) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		for name, values := range a.Header {
			header[name] = values
		}
		if r.Method != http.MethodHead {
			w.Write(a.Body) // a client that hung up is not told
		}
	})
}
