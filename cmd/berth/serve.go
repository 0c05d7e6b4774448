package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/berthregistry/berth/shared/announce/webhook"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/probe"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/settings"
	"github.com/berthregistry/berth/shared/telemetry"
)

// serve is the command that runs a registry.
type serve struct {
	Listen  string `default:"127.0.0.1:5000" env:"BERTH_LISTEN" help:"Address to listen on; port 0 takes a free one."`
	Data    string `default:"./berth-data" env:"BERTH_DATA" help:"Folder that holds everything; it is made if need be."`
	Config  string `env:"BERTH_CONFIG" placeholder:"FILE" help:"Settings by repository, in YAML; a changed file is read again."`
	TLSCert string `name:"tls-cert" and:"tls" env:"BERTH_TLS_CERT" placeholder:"FILE" help:"Certificate chain in PEM; with it the registry speaks HTTPS."`
	TLSKey  string `name:"tls-key" and:"tls" env:"BERTH_TLS_KEY" placeholder:"FILE" help:"The certificate's private key in PEM."`

	Policy        givenFile     `xor:"access" env:"BERTH_POLICY" placeholder:"FILE" help:"Who may do what, in YAML; a changed file is read again. Nothing is allowed but by a rule."`
	Open          bool          `xor:"access" env:"BERTH_OPEN" help:"Let everybody do everything, also from other machines."`
	Users         string        `env:"BERTH_USERS" placeholder:"FILE" help:"Users and their passwords, as htpasswd -B writes them; a changed file is read again."`
	URL           string        `name:"url" env:"BERTH_URL" placeholder:"URL" help:"Where clients find this registry if something stands in front of it, such as https://registry.example.com."`
	AddressHeader string        `placeholder:"NAME" env:"BERTH_ADDRESS_HEADER" help:"Header in which what stands in front says where a request came from, such as X-Forwarded-For. Whoever gets here past it could say anything."`
	TokenLife     time.Duration `default:"5m" env:"BERTH_TOKEN_LIFE" help:"How long tokens are good for: 5m to 15m."`

	Webhook           []string `sep:"none" placeholder:"URL" env:"BERTH_WEBHOOK" help:"Where to send what happens, as CloudEvents; may be given several times."`
	WebhookSecretFile string   `placeholder:"FILE" env:"BERTH_WEBHOOK_SECRET_FILE" help:"The secret that signs what is sent: whsec_ and base64, or 24 to 64 bytes."`
	WebhookType       []string `placeholder:"TYPE" env:"BERTH_WEBHOOK_TYPE" help:"Send events of this type only, such as referrer.attached; may be given several times."`

	LogFormat telemetry.Format `enum:"text,json" default:"text" env:"BERTH_LOG_FORMAT" help:"How a line of the log looks: text or json."`
	LogLevel  slog.Level       `default:"info" env:"BERTH_LOG_LEVEL" help:"Log from this level on: debug, info, warn or error; requests are info."`
	Pprof     string           `env:"BERTH_PPROF" placeholder:"HOST:PORT" help:"Loopback address at which to offer Go's profiles."`
}

// Help is what berth serve --help says beneath the flags.
func (serve) Help() string {
	return `The registry keeps all it has in one folder, needs nothing else, and logs to
standard error one line for each request. /healthz and /metrics are beside /v2/.
Interrupt it once to let requests finish, twice to end at once.

Without a policy it asks nobody who they are, and then listens to this machine
only. With one, nobody may do anything but what a rule allows. Robots are made
with berth robot, by whoever a rule allows admin, or while the registry does not
run with --data.

A webhook gets what happens as CloudEvents, signed as Standard Webhooks says, at
least once and in order for each image and tag. What it does not take for a day
is kept for berth letters. The settings file has room for several, each with its
own secret and what it wants to know.

Examples:

  berth serve &
  skopeo copy --dest-tls-verify=false \
    docker://docker.io/library/alpine docker://127.0.0.1:5000/team/alpine:1
  berth tree 127.0.0.1:5000/team/alpine:1

  berth serve --listen :5000 --policy policy.yaml --users htpasswd \
    --url https://registry.example.com

  berth serve --webhook https://ci.example/hook --webhook-secret-file hook.secret`
}

// Run serves until a signal comes.
func (c *serve) Run(t terminal) error {
	buffered := telemetry.NewWriter(t.err)
	defer buffered.Flush()
	log := telemetry.NewLogger(buffered, c.LogFormat, c.LogLevel)
	if err := c.checkAccess(); err != nil {
		return err
	}

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	spareCollector()
	d, err := openData(c.Data, log)
	if err != nil {
		return err
	}
	defer d.close(log)

	// What runs in the background ends before the folder is closed.
	var background sync.WaitGroup
	defer background.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	rules, hooks, err := c.settings(ctx, &background, log)
	if err != nil {
		return err
	}
	herald, err := c.herald(ctx, d, hooks, log)
	if err != nil {
		return err
	}
	guard, err := c.guard(ctx, d, herald.post, &background, log)
	if err != nil {
		return err
	}
	server, err := c.server(d, rules, guard, log)
	if err != nil {
		return err
	}
	listener, err := listen(c.Listen)
	if err != nil {
		return err
	}
	background.Go(func() { d.sweepHourly(ctx, log) })
	herald.run(ctx, &background, c.source(listener.Addr()))
	if err := d.sign(c.url(listener.Addr())); err != nil {
		log.Warn("no note of who holds the data folder", "error", err)
	}
	if _, err := fmt.Fprintf(t.out, "berth serves %s from %s%s\n", c.url(listener.Addr()), c.Data, c.openTo(listener.Addr())); err != nil {
		return fmt.Errorf("print the address: %w", err)
	}
	c.warnIfOpen(listener.Addr(), log)
	if err := c.profile(ctx, &background, log); err != nil {
		return err
	}
	return serveUntil(signals, server, listener, log)
}

// settings are what the settings file says, and the webhooks of the flags too.
func (c *serve) settings(ctx context.Context, background *sync.WaitGroup, log *slog.Logger) (registry.Options, []webhook.Hook, error) {
	if c.Config == "" {
		hooks, err := c.hooks(nil)
		return registry.Options{Rules: new(settings.Settings).Rules}, hooks, err
	}
	file, err := settings.Open(c.Config, log)
	if err != nil {
		return registry.Options{}, nil, err
	}
	hooks, err := c.hooks(file)
	if err != nil {
		return registry.Options{}, nil, err
	}
	inBackground(ctx, background, file.Follow)
	return registry.Options{Rules: file.Rules, Limits: file.Limits()}, hooks, nil
}

// inBackground follows a file until ctx ends. At each SIGHUP it is read again,
// whether or not it looks changed.
func inBackground(ctx context.Context, background *sync.WaitGroup, follow func(context.Context, <-chan os.Signal)) {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	background.Go(func() {
		defer signal.Stop(reload)
		follow(ctx, reload)
	})
}

// server puts the registry together.
func (c *serve) server(d *data, o registry.Options, g guard, log *slog.Logger) (*server, error) {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	recorder := telemetry.New(log, metrics)
	api := distribution.New(registry.New(d.table, d.blobs, o), distribution.Options{
		Observe: recorder.Observe, Gate: g.gate, Log: log, Events: d.events,
	})
	s := &server{handler: site{
		registry: recorder.CountInFlight(paced(probe.New(api), patience)),
		pages:    pages(d.table, metrics, g),
	}}
	if c.Policy == "" && !c.Open {
		s.handler = athome(s.handler, "start it with --policy, or with --open")
	}
	if c.AddressHeader != "" {
		s.handler = behind(c.AddressHeader, s.handler)
	}
	if c.TLSCert == "" {
		return s, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("load the certificate: %w", err)
	}
	s.certificates = []tls.Certificate{pair}
	return s, nil
}

// url is what to type to get here: the host as it was asked for, since the
// listener calls 0.0.0.0 by another name, and the port as it was given.
func (c *serve) url(addr net.Addr) string {
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(c.Listen) // listened on, so well formed
	_, port, _ := net.SplitHostPort(addr.String())
	return scheme + "://" + net.JoinHostPort(cmp.Or(host, "localhost"), port)
}

// source is what events call this registry: the address where clients find it.
func (c *serve) source(addr net.Addr) string {
	return cmp.Or(strings.TrimRight(c.URL, "/"), c.url(addr))
}

// warnIfOpen says what being open to more than the machine itself means.
func (c *serve) warnIfOpen(addr net.Addr, log *slog.Logger) {
	if c.Policy == "" && !isLocal(addr) {
		log.Warn("whoever reaches this address may push, pull and delete", "address", addr.String())
	}
}
