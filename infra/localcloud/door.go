package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
)

// listenForRegistry settles the address of the front door: functions are told
// it, and the first of them may start before the door opens.
func (c *cloud) listenForRegistry(context.Context) error {
	var err error
	if c.registry, err = net.Listen("tcp", c.listen); err != nil {
		return fmt.Errorf("serve front door: %w", err)
	}
	c.registryURL = "http://" + c.registry.Addr().String()
	c.later(func() error { // the server closes it as well, if it came so far
		if err := c.registry.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

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
	c.serveOn(c.registry, "front door", door)
	return nil
}

// serve answers on an address until the cloud is closed, and returns its URL.
func (c *cloud) serve(address, name string, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("serve %s: %w", name, err)
	}
	c.serveOn(l, name, h)
	return "http://" + l.Addr().String(), nil
}

func (c *cloud) serveOn(l net.Listener, name string, h http.Handler) {
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
}
