package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
)

// profile offers Go's profiles at an address of their own, so that they are
// never in reach of whoever may pull.
func (c *serve) profile(ctx context.Context, background *sync.WaitGroup, log *slog.Logger) error {
	if c.Pprof == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Pprof)
	if err != nil {
		return fmt.Errorf("--pprof: %w", err)
	}
	if !isLoopback(host) {
		return fmt.Errorf("--pprof: %s is not a loopback address", host)
	}
	l, err := listen(c.Pprof)
	if err != nil {
		return fmt.Errorf("--pprof: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	log.Info("profiles", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	background.Go(func() { _ = server.Serve(l) }) // ends with Close
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// isLoopback says whether a host name or address can only be this machine.
func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
