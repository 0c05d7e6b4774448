package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/registry"
)

// watch is the command that prints what happens.
type watch struct {
	Reference string        `arg:"" placeholder:"HOST/REPOSITORY[:TAG|@DIGEST]" help:"What to watch. With a tag or a digest: events that name it."`
	Type      []string      `placeholder:"TYPE" help:"Events of this type only, such as referrer.attached, or referrer for all about them; may be given several times."`
	JSON      bool          `name:"json" help:"Print whole events, which are CloudEvents, one on a line."`
	Since     time.Duration `placeholder:"DURATION" help:"Begin with what happened so long ago, such as 1h; a registry has what happened within a day."`
	Every     time.Duration `default:"5s" placeholder:"DURATION" help:"How often to ask a registry that cannot send by itself, as on AWS, where each time costs a request."`
	PlainHTTP *bool         `name:"plain-http" negatable:"" help:"Speak HTTP without TLS; the default for a registry on this machine."`
}

// Help is what berth watch --help says beneath the flags.
func (watch) Help() string {
	return `It takes the right to pull all of the repository, since events speak of all of
it. Credentials are those of berth login or docker login.

What happens while the registry cannot be reached is printed later, and nothing
twice. Interrupt it to end it. docs/events.md has all types and what they say.

Examples:

  berth watch 127.0.0.1:5000/team/app
  berth watch 127.0.0.1:5000/team/app:latest --type referrer.attached
  berth watch 127.0.0.1:5000/team/app --since 1h --json | jq -r .data.subject.digest`
}

// Run prints until it is interrupted.
func (c *watch) Run(t terminal) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.check(); err != nil {
		return err
	}
	where, err := parseReference(strings.TrimPrefix(c.Reference, remotePrefix))
	if err != nil {
		return err
	}
	w, err := c.watcher(where, t)
	if err != nil {
		return err
	}
	return w.run(auth.AppendRepositoryScope(ctx, where.repo, auth.ActionPull))
}

// check says what cannot be meant.
func (c *watch) check() error {
	switch {
	case c.Since < 0:
		return errors.New("--since: the future is not known")
	case c.Every < time.Second:
		return errors.New("--every: it is a second at least")
	}
	for i, name := range c.Type {
		c.Type[i] = strings.TrimPrefix(name, announce.TypePrefix)
		if !isKind(c.Type[i]) {
			return fmt.Errorf("--type: there are no events called %q; there are %s", name, allKinds())
		}
	}
	return nil
}

// isKind says whether events are called so, or begin so.
func isKind(name string) bool {
	return slices.ContainsFunc(registry.Kinds(), func(k registry.Kind) bool {
		return string(k) == name || strings.HasPrefix(string(k), name+".")
	})
}

func allKinds() string {
	var names []string
	for _, k := range registry.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func (c *watch) watcher(where place, t terminal) (*watcher, error) {
	client, err := newClient(&http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	if err != nil {
		return nil, err
	}
	scheme := "https"
	if isPlain(c.PlainHTTP, where.repo.Host()) {
		scheme = "http"
	}
	w := &watcher{
		client: client, host: where.repo.Registry, every: c.Every, types: c.Type,
		url: url.URL{
			Scheme: scheme, Host: where.repo.Host(),
			Path: distribution.Target{Route: distribution.RouteEvents, Repo: where.repo.Repository}.Path(),
		},
		print: (&eventPrinter{out: t.out, only: naming{where.tag, where.digest}, whole: c.JSON, now: time.Now}).print,
		note:  func(text string) { fmt.Fprintln(t.err, "berth:", cleanLines(text)) },
	}
	if c.Since > 0 {
		w.after = strconv.FormatInt(max(0, time.Now().Add(-c.Since).UnixMicro()), 10)
	}
	return w, nil
}
