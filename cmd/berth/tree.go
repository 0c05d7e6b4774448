package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/berthregistry/berth/shared/absent"
)

// tree is the command that draws an image.
type tree struct {
	Reference string `arg:"" placeholder:"HOST/REPOSITORY[:TAG|@DIGEST]" help:"What to draw. Without a tag or digest it is the tag latest."`
	PlainHTTP *bool  `name:"plain-http" negatable:"" help:"Speak HTTP without TLS; the default for a registry on this machine."`
	Digests   bool   `help:"Print digests in full."`
	Format    string `enum:"tree,json,dot" default:"tree" help:"tree to read, json for programs, dot for Graphviz."`
}

// Help is what berth tree --help says beneath the flags.
func (tree) Help() string {
	return `Beneath an index are its entries, also those that the registry does not have.
A line with an arrow is an artifact that refers to what it stands under: a
signature, an attestation, an SBOM. Those of cosign, notation, in-toto and
BuildKit are recognised by what they say of themselves, and so are the tags that
cosign makes of digests; nothing is verified. Sizes count what is there, each
blob once. Any registry will do. Credentials are those of docker login.

Examples:

  berth tree 127.0.0.1:5000/team/app:1
  berth tree --format json 127.0.0.1:5000/team/app:1 | jq .root.missing
  berth tree --format dot 127.0.0.1:5000/team/app:1 | dot -Tsvg > app.svg

docs/tree.md says what is in the JSON.`
}

// maxMetadata is the largest manifest or listing that is read, in bytes.
const maxMetadata = 64 << 20

// maxListPages bounds the lists that are read, of tags and of referrers.
const maxListPages = 100

// Run draws the tree to t.out.
func (c *tree) Run(t terminal) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	repo, spared, err := c.open()
	if err != nil {
		return err
	}
	w := walker{repo: repo, drawn: map[string]state{}}
	root, err := w.root(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Reference, err)
	}
	if err := c.draw(t.out, root); err != nil {
		return err
	}
	if n := spared.Spared(); n > 0 {
		_, err = fmt.Fprintln(t.err, notNeeded(n)) // beside the drawing, which programs may read
	}
	return err
}

func (c *tree) draw(w io.Writer, root *node) error {
	switch c.Format {
	case "json":
		return drawJSON(w, c.Reference, root)
	case "dot":
		return drawDOT(w, c.Reference, root, c.Digests)
	}
	return draw(w, c.Reference, root, c.Digests)
}

// open prepares a client for the repository, which does not ask for referrers that
// are absent: the second value knows how often.
func (c *tree) open() (*remote.Repository, *absent.Transport, error) {
	repo, err := remote.NewRepository(c.Reference)
	if err != nil {
		return nil, nil, fmt.Errorf("read the reference: %w", err)
	}
	if repo.Reference.Reference == "" {
		repo.Reference.Reference = "latest"
	}
	spared := &absent.Transport{Reference: repo.Reference.String()}
	if repo.Client, err = newClient(&http.Client{Transport: retry.NewTransport(spared)}); err != nil {
		return nil, nil, err
	}
	repo.PlainHTTP = c.plain(repo.Reference.Host())
	repo.MaxMetadataBytes = maxMetadata
	repo.TagListMaxPages, repo.ReferrerListMaxPages = maxListPages, maxListPages
	return repo, spared, nil
}

// plain says whether to do without TLS.
func (c *tree) plain(host string) bool { return isPlain(c.PlainHTTP, host) }

// isHere says whether a host, with a port or without, is this machine.
func isHere(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return isLoopback(host)
}
