package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/access/door"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/access/vault"
	"github.com/berthregistry/berth/shared/announce/webhook"
	"github.com/berthregistry/berth/shared/distribution"
)

// service is what tokens of this registry are for.
const service = "berth"

// A guard is a registry's access control. The zero value is none.
type guard struct {
	gate distribution.Gate
	desk http.Handler // of /token and /_berth/
}

// A givenFile is the path of a file, which is not empty where it is given: a
// variable of a script that was never set is no wish for a registry that is open
// to everybody.
type givenFile string

// UnmarshalText is for the parser of the command line.
func (f *givenFile) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("it is given, and is empty; leave it out for a registry without a policy")
	}
	*f = givenFile(text)
	return nil
}

// checkAccess says what cannot be meant.
func (c *serve) checkAccess() error {
	switch {
	case c.TokenLife < token.MinLife || c.TokenLife > token.MaxLife:
		return fmt.Errorf("--token-life: %v is not between %v and %v", c.TokenLife, token.MinLife, token.MaxLife)
	case c.Policy == "" && c.Users != "":
		return errors.New("--users: without a --policy nobody is asked who they are")
	case c.URL == "":
		return c.checkOpen()
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--url: %q is not the address of a registry, such as https://registry.example.com", c.URL)
	}
	return c.checkOpen()
}

// checkOpen refuses to be open to more than this machine by accident. A URL says
// that something stands in front, which lets others in.
func (c *serve) checkOpen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	here := c.URL == "" && (err != nil || isLoopback(host)) // what is no address, listen says
	if here || c.Policy != "" || c.Open {
		return nil
	}
	return fmt.Errorf("%s can be reached by others, who could all push, pull and delete: give a --policy, or --open if that is meant",
		cmp.Or(c.URL, c.Listen))
}

// openTo is what the start line says of a registry that asks nobody who they
// are.
func (c *serve) openTo(addr net.Addr) string {
	switch {
	case c.Policy != "":
		return ""
	case isLocal(addr):
		return ", open to everybody on this machine"
	}
	return ", open to everybody who reaches it"
}

func isLocal(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// guard puts the access control together, if there is a policy. A registry that is
// open to everybody has a desk for the letters of its webhooks only.
func (c *serve) guard(ctx context.Context, d *data, post *webhook.Post, background *sync.WaitGroup, log *slog.Logger) (guard, error) {
	if c.Policy == "" {
		everybody, err := letIn(access.Principal{Kind: "anybody", Name: "open"})
		return guard{desk: desk.New(desk.Options{Post: letterDesk{post, c.Open}, Gate: everybody, Log: log})}, err
	}
	file, err := openPolicy(string(c.Policy), log)
	if err != nil {
		return guard{}, err
	}
	kept := ledger.New(d.table, ledger.Options{Log: log})
	providers, err := c.providers(kept, log)
	if err != nil {
		return guard{}, err
	}
	inBackground(ctx, background, file.follow)
	authenticator := login.New(kept, log, providers...)
	verifier := token.NewVerifier(kept.Keys, kept.ReloadKeys, service, time.Now)
	gate := door.New(door.Options{
		State: file.state(kept), Verifier: verifier, Login: authenticator, Realm: c.realm, Service: service, Log: log,
	})
	return guard{gate, desk.New(desk.Options{
		Ledger: kept, State: file.state(kept), File: file.text,
		Login: authenticator, Keys: vault.Open(vault.File(d.keys()), kept.PublishKeys, time.Now), Verifier: verifier,
		Service: service, Life: c.TokenLife, Gate: gate, Post: letterDesk{post: post}, Log: log,
	})}, nil
}

// providers are whoever knows some of those who log in.
func (c *serve) providers(kept *ledger.Ledger, log *slog.Logger) ([]login.Provider, error) {
	providers := []login.Provider{login.Robots(kept), federate.OIDC(federate.Options{Log: log}), federate.STS(federate.Options{Log: log})}
	if c.Users == "" {
		return providers, nil
	}
	users, err := login.Users(c.Users, log, time.Now)
	if err != nil {
		return nil, err
	}
	return append(providers, users), nil
}

// realm is where clients fetch tokens: where --url says, else at the address
// that they came to.
func (c *serve) realm(r *http.Request) string {
	if c.URL != "" {
		return strings.TrimRight(c.URL, "/") + "/token"
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + "/token"
}
