package httpapi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Serve answers on a listener until ctx ends, then lets requests in flight end
// for a few seconds. It returns nil after that, and closes the listener in any
// case.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := NewServer(h)
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(patience) != nil {
			_ = server.Close() // on those that still wait for a function
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-stopped
		return nil
	}
	return fmt.Errorf("serve the front door: %w", err)
}

// NewServer returns a server which leaves it to the handler to refuse what is
// too large.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h,
		// Far above the 10,240 bytes of the gateway: past its own limit net/http
		// answers by itself, and in other words.
		MaxHeaderBytes:               1 << 20,
		ReadHeaderTimeout:            30 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		DisableGeneralOptionsHandler: true, // OPTIONS * is the gateway's as well
	}
}
