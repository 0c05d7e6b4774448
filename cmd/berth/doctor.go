package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/shared/oci"
)

// doctor is the command that examines a registry.
type doctor struct {
	URL        string `arg:"" placeholder:"URL" help:"The registry, such as https://registry.example.com."`
	Repository string `default:"berth-doctor/probe" help:"Where to push the probe to. What else is there stays as it is."`
	Insecure   bool   `help:"Take a certificate that nobody vouches for."`
	JSON       bool   `name:"json" help:"Print the findings as JSON."`
}

// Help is what berth doctor --help says beneath the flags.
func (doctor) Help() string {
	return `What stands in front of a registry changes requests and answers. Berth on AWS
relies on how Amazon's gateway does that, more than is documented. Each line is
one thing it relies on: what was seen, and what to set, as a parameter of
template.yaml, if that is something else. Behind "berth serve" there is no
gateway, and all should be well.

It takes about 40 MiB up and 20 MiB down, and pushes an artifact that it deletes
at the end, also when it is interrupted. Whoever runs it must be allowed to push
and to delete; credentials are those of docker login. The exit status is 0 if
nothing has to be done.

Example:

  berth doctor https://registry.example.com`
}

// Run examines the registry and prints to t.out what it finds.
func (c *doctor) Run(t terminal) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, func() {
		stop() // the next signal ends the process
		fmt.Fprintln(t.err, "berth: removing the probe; interrupt again to leave it there")
	})()
	report, err := checkup.Examine(c.knowingScopes(ctx, config), config)
	if err != nil && len(report.Findings) == 0 {
		return err
	}
	if printed := c.print(t, report); printed != nil {
		return printed
	}
	switch n := report.NeedCare(); {
	case err != nil:
		return errors.New("interrupted")
	case n > 0:
		return fmt.Errorf("%s is not all that it should be", c.URL)
	}
	return nil
}

// knowingScopes has the client fetch one token for all that it will do, and not
// send each body twice: once to hear which scope it takes.
func (c *doctor) knowingScopes(ctx context.Context, config checkup.Config) context.Context {
	scope := auth.ScopeRepository(c.Repository, auth.ActionPull, auth.ActionPush, auth.ActionDelete)
	return auth.AppendScopesForHost(ctx, config.URL.Host, scope)
}

func (c *doctor) config() (checkup.Config, error) {
	where, err := parseRegistry(c.URL)
	if err != nil {
		return checkup.Config{}, err
	}
	if !oci.ValidName(c.Repository) {
		return checkup.Config{}, fmt.Errorf("%q is not the name of a repository", c.Repository)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.Insecure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // as was asked for
	}
	base := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client, err := newClient(base)
	return checkup.Config{URL: where, Repository: c.Repository, Client: client, Anonymous: base}, err
}

// parseRegistry reads the URL of a registry. A bare host is taken for what
// clients take it for.
func parseRegistry(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		scheme := "https://"
		if host, _, _ := strings.Cut(text, "/"); isHere(host) {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%s is not the URL of a registry, such as https://registry.example.com", text)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return nil, fmt.Errorf("%s has a path; a registry has a host to itself, since names of images have no room for one", text)
	case u.User != nil:
		return nil, errors.New("the URL has credentials in it; use docker login")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}
