package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/berthregistry/berth/shared/proxy"
	"github.com/berthregistry/berth/shared/telemetry"
	"github.com/berthregistry/berth/shared/transfer"
)

// proxyTo is the command that stands for a registry on this machine.
type proxyTo struct {
	To        string `required:"" env:"BERTH_PROXY_TO" placeholder:"URL" help:"The registry, such as https://registry.example.com."`
	Listen    string `default:"127.0.0.1:5001" env:"BERTH_PROXY_LISTEN" help:"Address to listen on; port 0 takes a free one."`
	LendLogin bool   `env:"BERTH_PROXY_LEND_LOGIN" help:"Let whoever reaches an address that is not of this machine alone push, pull and delete with the login of the proxy."`
	Memory    int    `default:"128" env:"BERTH_PROXY_MEMORY" placeholder:"MIB" help:"Memory for layers on their way, of all clients together, in MiB: 32 or more."`
	Parallel  int    `default:"8" env:"BERTH_PROXY_PARALLEL" help:"How many requests with parts of layers are under way at once."`

	LogFormat telemetry.Format `enum:"text,json" default:"text" env:"BERTH_LOG_FORMAT" help:"How a line of the log looks: text or json."`
	LogLevel  slog.Level       `default:"info" env:"BERTH_LOG_LEVEL" help:"Log from this level on: debug, info, warn or error; blobs that were sent are info."`
}

// Help is what berth proxy --help says beneath the flags.
func (proxyTo) Help() string {
	return `Clients on this machine push to the proxy and pull from it as if it were the
registry, without a login: the proxy has the one of berth login or docker login.
Layers of any size go up, also where the registry takes requests of some
megabytes only. The images are in the registry, under the same names.

Whoever asks what refers to an image is answered by the proxy, with nothing,
where the registry has said so with the image itself, by OCI-Referrers: absent,
two seconds ago at most. What is attached through the proxy counts at once, and
what is attached elsewhere after that time.

Whoever can connect uses that login. So the proxy listens to this machine only,
and answers to no other name, unless --lend-login says that others are meant.

Examples:

  berth proxy --to https://registry.example.com &
  docker tag app 127.0.0.1:5001/team/app:1
  docker push 127.0.0.1:5001/team/app:1
  podman push --tls-verify=false app 127.0.0.1:5001/team/app:1`
}

const (
	// leastProxyMemory is what the engine needs to have parts side by side.
	leastProxyMemory = 32
	// besides is what the proxy needs beside the layers, in bytes.
	besides = 64 << 20
	// abortTime is how long the registry is told, at the end, what comes to nothing.
	abortTime = 10 * time.Second
)

// Run stands for the registry until a signal comes.
func (c *proxyTo) Run(t terminal) error {
	buffered := telemetry.NewWriter(t.err)
	defer buffered.Flush()
	log := telemetry.NewLogger(buffered, c.LogFormat, c.LogLevel)
	to, err := c.registry()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	p, err := c.proxy(to, log)
	if err != nil {
		return err
	}
	listener, err := listen(c.Listen)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(t.out, "berth proxies %s at http://%s\n", to, listener.Addr()); err != nil {
		return fmt.Errorf("print the address: %w", err)
	}
	if !isLocal(listener.Addr()) {
		log.Warn("whoever reaches this address may push, pull and delete with this login", "address", listener.Addr().String())
	}
	if to.Scheme == "http" && !isHere(to.Host) {
		log.Warn("the login goes to the registry without TLS", "registry", to.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go greet(ctx, p, log)
	err = serveUntil(signals, &server{handler: c.guarded(p)}, listener, log)
	closeUntil(signals, p, log)
	if n := p.Spared(); n > 0 {
		log.Info("requests for referrers were not needed", "requests", n)
	}
	return err
}

// closeUntil gives up what is left, until abortTime has passed or another signal
// comes.
func closeUntil(signals <-chan os.Signal, p *proxy.Proxy, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), abortTime)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := p.Close(ctx); err != nil {
		log.Warn("the registry was not told of all that comes to nothing", "error", err)
	}
}

// registry reads and checks the flags.
func (c *proxyTo) registry() (*url.URL, error) {
	to, err := parseRegistry(c.To)
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	host, port, err := net.SplitHostPort(c.Listen)
	switch {
	case err == nil && !isLoopback(host) && !c.LendLogin: // what is no address, listen says
		return nil, fmt.Errorf("%s can be reached by others, who could all push, pull and delete with this login: give --lend-login if that is meant", c.Listen)
	case err == nil && port != "0" && port == to.Port() && isHere(to.Host):
		return nil, fmt.Errorf("--to: %s is the proxy itself", to)
	case c.Memory < leastProxyMemory:
		return nil, fmt.Errorf("--memory: %d MiB are too few, give %d or more", c.Memory, leastProxyMemory)
	case c.Parallel < 1:
		return nil, errors.New("--parallel: there must be at least one")
	}
	return to, nil
}

// proxy puts it together. What is allocated beside the layers is collected in
// time for the process to stay near the memory that it was given.
func (c *proxyTo) proxy(to *url.URL, log *slog.Logger) (*proxy.Proxy, error) {
	client, err := newClient(&http.Client{Transport: transfer.NewTransport()})
	if err != nil {
		return nil, err
	}
	memory := int64(c.Memory) << 20
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory + besides)
	}
	engine := transfer.New(transfer.Options{Memory: memory, Parallel: c.Parallel, Log: log})
	return proxy.New(proxy.Options{To: to, Client: client, Engine: engine, Log: log}), nil
}

// guarded keeps out those who are not meant, and ends what stands still.
func (c *proxyTo) guarded(p *proxy.Proxy) http.Handler {
	h := paced(p, patience)
	if c.LendLogin {
		return h
	}
	return athome(h, "start the proxy with --lend-login")
}

// greetTime is how long the registry has to answer at the start.
const greetTime = 20 * time.Second

// greet says at the start what every client would be told: that the registry is
// not there, or wants another login. Both may change while the proxy runs.
func greet(ctx context.Context, p *proxy.Proxy, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	if err := p.Ping(ctx); err != nil && ctx.Err() == nil {
		log.Warn("the registry is not of use yet", "error", strings.TrimSpace(err.Error()))
	}
}
