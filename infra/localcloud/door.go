package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// serveRegistry opens the front door.
func (c *cloud) serveRegistry(context.Context) error {
	cfg := httpapi.Config{Deviations: c.deviations, AccountID: account, Log: c.output, LogFormat: c.stack.AccessLog}
	for _, r := range c.stack.Routes {
		f, err := c.function(r.Function)
		if err != nil {
			return fmt.Errorf("route %s %s: %w", r.Method, r.Path, err)
		}
		cfg.Routes = append(cfg.Routes, httpapi.Route{Method: r.Method, Path: r.Path, Invoke: f.invoke})
	}
	door, err := httpapi.New(cfg)
	if err != nil {
		return fmt.Errorf("open the front door: %w", err)
	}
	c.registryURL, err = c.serve(c.listen, "front door", door)
	return err
}

// serve answers on an address until the cloud is closed, and returns its URL.
func (c *cloud) serve(address, name string, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("serve %s: %w", name, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := httpapi.Serve(ctx, l, h)
		if err != nil {
			c.fail(fmt.Errorf("serve %s: %w", name, err))
		}
		ended <- err
	}()
	c.later(func() error { stop(); return <-ended })
	return "http://" + l.Addr().String(), nil
}
