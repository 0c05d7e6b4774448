package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/cmd/berth/workload"
)

// logIn is the command that lets this machine in.
type logIn struct {
	Registry string `arg:"" placeholder:"HOST" help:"The registry, such as registry.example.com."`

	Username      string `short:"u" xor:"how" required:"" placeholder:"USER" help:"A user, or the access key of a robot."`
	PasswordStdin bool   `help:"Read the user's password from standard input: the only way, since others see what is typed behind a command."`

	AWS           bool   `name:"aws" xor:"how" required:"" help:"Log in as the principal of AWS that this machine's credentials are of."`
	GitHub        bool   `name:"github" xor:"how" required:"" help:"Log in as this job of GitHub Actions, which needs permissions: {id-token: write}."`
	GitLab        bool   `name:"gitlab" xor:"how" required:"" help:"Log in as this job of GitLab CI, by a token that it names under id_tokens."`
	OIDCTokenFile string `name:"oidc-token-file" xor:"how" required:"" placeholder:"FILE" help:"Log in with a token that something keeps up to date in a file, as Kubernetes does with projected tokens."`

	Audience      string `placeholder:"NAME" help:"Whom the credentials of --aws and --github are for: an audience of the policy. The registry's host if not given."`
	TokenVariable string `default:"BERTH_ID_TOKEN" placeholder:"NAME" help:"The variable of --gitlab that has the token."`
}

// Help is what berth login --help says beneath the flags.
func (logIn) Help() string {
	return `A password is checked, and kept where docker login would keep it. All other ways
keep nothing: Docker's configuration then names docker-credential-berth, which
has to be in PATH, for this registry, and that makes credentials each time they
are needed. Docker, podman, skopeo, crane, oras and others all ask it.

Examples:

  berth login registry.example.com -u robot-2f5rt --password-stdin < password
  berth login registry.example.com --aws
  berth login registry.example.com --oidc-token-file /var/run/secrets/berth/token`
}

// maxPassword is the longest password that is read, in bytes: a token of an
// issuer will do.
const maxPassword = 16 << 10

// Run logs in.
func (c *logIn) Run(t terminal) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	where, err := parseRegistry(c.Registry)
	if err != nil {
		return err
	}
	folder, err := workload.Folder(os.Getenv)
	if err != nil {
		return err
	}
	if (c.Username != "") != c.PasswordStdin {
		return errors.New("--username and --password-stdin come together")
	}
	if c.Username != "" {
		return c.withPassword(ctx, t, where)
	}
	return c.asWorkload(ctx, t, where, folder)
}

// withPassword keeps a password if it is good.
func (c *logIn) withPassword(ctx context.Context, t terminal, where *url.URL) error {
	raw, err := io.ReadAll(io.LimitReader(t.in, maxPassword+1))
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	password := string(bytes.TrimRight(raw, "\r\n"))
	if password == "" || len(raw) > maxPassword {
		return errors.New("there is no password on standard input")
	}
	credential := auth.Credential{Username: c.Username, Password: password}
	if err := check(ctx, where, credential); err != nil {
		return err
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{AllowPlaintextPut: true, DetectDefaultNativeStore: true})
	if err != nil {
		return fmt.Errorf("read Docker's credentials: %w", err)
	}
	if err := store.Put(ctx, where.Host, credential); err != nil {
		return fmt.Errorf("keep the password: %w", err)
	}
	_, err = fmt.Fprintf(t.out, "logged in to %s as %s\n", where.Host, c.Username)
	return err
}

// source is where credentials come from, as the flags say.
func (c *logIn) source(host string) (workload.Source, error) {
	audience := c.Audience
	if audience == "" {
		audience = host
	}
	switch {
	case c.AWS:
		return workload.Source{Kind: workload.AWS, Audience: audience}, nil
	case c.GitHub:
		return workload.Source{Kind: workload.GitHub, Audience: audience}, nil
	case c.GitLab:
		return workload.Source{Kind: workload.GitLab, Variable: c.TokenVariable}, nil
	}
	// The helper runs in whatever folder Docker's tool was called in.
	file, err := filepath.Abs(c.OIDCTokenFile)
	if err != nil {
		return workload.Source{}, fmt.Errorf("--oidc-token-file: %w", err)
	}
	return workload.Source{Kind: workload.File, File: file}, nil
}

// asWorkload has credentials made from here on, if those made now are good.
func (c *logIn) asWorkload(ctx context.Context, t terminal, where *url.URL, folder string) error {
	source, err := c.source(where.Host)
	if err != nil {
		return err
	}
	made, err := machine().Credentials(ctx, source)
	if err != nil {
		return err
	}
	err = check(ctx, where, auth.Credential{Username: made.User, Password: made.Secret})
	if errors.Is(err, errNotValid) && source.Audience != "" {
		return fmt.Errorf("%w: they were made for %s, which has to be an audience of the policy; see --audience", err, source.Audience)
	}
	if err != nil {
		return err
	}
	// A crash between the two leaves a note that nobody reads.
	if err := workload.NotesIn(folder).Put(where.Host, source); err != nil {
		return err
	}
	if err := workload.UseHelper(folder, workload.HostOf(where.Host)); err != nil {
		return err
	}
	if _, err := exec.LookPath("docker-credential-" + workload.Helper); err != nil {
		fmt.Fprintln(t.err, "berth: docker-credential-berth is not in PATH; Docker and other tools will need it there")
	}
	_, err = fmt.Fprintf(t.out, "logged in to %s by %s; credentials are made when they are needed\n", where.Host, source.Kind)
	return err
}

// check asks the registry whether credentials are good.
func check(ctx context.Context, where *url.URL, credential auth.Credential) error {
	client := &auth.Client{
		Client: officeHTTP(),
		Header: http.Header{"User-Agent": {userAgent()}},
	}
	asked := false
	client.Credential = func(context.Context, string) (auth.Credential, error) {
		asked = true
		return credential, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String()+"/v2/", nil)
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return refusedBy(where.Host, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK && asked:
		return nil
	case resp.StatusCode == http.StatusOK:
		return fmt.Errorf("%s asks nobody to log in", where.Host)
	}
	return fmt.Errorf("%s answered %s", where.Host, resp.Status)
}

// errNotValid is about credentials that a registry does not take.
var errNotValid = errors.New("the credentials are not valid")

// refusedBy tells credentials that are wrong from a registry that is not there.
func refusedBy(host string, err error) error {
	said, ok := errors.AsType[*errcode.ErrorResponse](err)
	switch {
	case ok && said.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s: %w", host, errNotValid)
	case ok && said.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%s: too many failed logins, try again later", host)
	}
	return fmt.Errorf("ask the registry: %w", err)
}
