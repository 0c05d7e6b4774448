package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

const (
	// headerTimeout is how long a client may take to say what it wants.
	headerTimeout = 10 * time.Second
	// idleTimeout is how long a connection may wait for its next request.
	// Docker and containerd keep theirs for a minute or more.
	idleTimeout = 3 * time.Minute
	// maxHeader has room for the largest bearer tokens that clients were seen
	// to carry, 9 KB, and a push of 30 long tags.
	maxHeader = 32 << 10
	// drainTime is how long requests may go on after a signal.
	drainTime = 30 * time.Second
)

// A server is what serve listens with.
type server struct {
	handler      http.Handler
	certificates []tls.Certificate // none for plain HTTP
}

// There is no timeout for a whole request: a layer takes as long as it takes.
// One that stands still is ended by paced.
func (s *server) http(log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		TLSConfig:         &tls.Config{Certificates: s.certificates, MinVersion: tls.VersionTLS12},
	}
}

// listen wraps what is not understood at once.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program; choose another address with --listen", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s is not for ordinary users; choose a port from 1024 on with --listen", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return l, nil
}

// serveUntil serves until a signal comes, and then until all requests are
// answered, drainTime has passed, or another signal comes.
func serveUntil(signals <-chan os.Signal, s *server, l net.Listener, log *slog.Logger) error {
	server := s.http(log)
	ended := make(chan error, 1)
	go func() {
		if len(s.certificates) > 0 {
			ended <- server.ServeTLS(l, "", "")
			return
		}
		ended <- server.Serve(l)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case sig := <-signals:
		log.Info("draining requests; another signal ends them", "signal", sig.String(), "patience", drainTime)
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := server.Shutdown(ctx); err != nil {
		log.Warn("requests cut off", "error", context.Cause(ctx))
		_ = server.Close() // its listener is closed already
	}
	return nil
}
