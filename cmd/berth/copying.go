package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/cmd/berth/progress"
	"github.com/berthregistry/berth/shared/absent"
	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// copyFlags are those of berth push, pull and copy.
type copyFlags struct {
	Platform  []string `placeholder:"OS/ARCH[/VARIANT]" help:"Of an index, copy what is for this platform; may be repeated. The index stays as it is, with its digest and signatures, so the registry has to take one that is not whole."`
	All       bool     `aliases:"all-tags" help:"Copy all tags."`
	Referrers bool     `help:"Copy what refers to an image as well, and what refers to that: signatures, attestations, SBOMs, also those that cosign finds by tags."`
	DryRun    bool     `help:"Say what would be done."`
	JSON      bool     `name:"json" help:"Print a JSON object per line, as described above."`
	PlainHTTP *bool    `name:"plain-http" negatable:"" help:"Speak HTTP without TLS; the default for a registry on this machine."`
	Jobs      int      `default:"8" placeholder:"N" help:"How many blobs, and parts of them, to move at once."`
	Verbose   bool     `short:"v" help:"Say what is tried again, and why."`
}

// copyNotes are in the help of all three.
const copyNotes = `
The last line says how blobs got there: direct is straight to or from the store
behind a registry, plain is through the registry. What is cut goes on where it
ended when the same command is run again. Any registry will do. Credentials are
those of berth login or docker login, else those of podman login.

With --json there is a line for each blob, {"event": "blob", "digest", "size",
"way"} with a way of direct, plain, present or mounted, and for each manifest
that was put, {"event": "manifest", "mediaType", "digest", "size", "tags"}. The
last line is {"event": "summary", "images", "blobs", "bytes", "seconds", ...},
also of a copy that failed, which then has an "error".`

// check refuses flags that make no sense for these places.
func (f *copyFlags) check(from, to place, mounts []string) error {
	for _, name := range mounts {
		if !oci.ValidName(name) {
			return fmt.Errorf("--from: %q is not the name of a repository", name)
		}
	}
	for _, p := range f.Platform {
		if n := strings.Count(p, "/"); n < 1 || n > 2 || strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") {
			return fmt.Errorf("%q is not a platform, such as linux/arm64", p)
		}
	}
	switch {
	case f.Jobs < 1:
		return errors.New("--jobs is at least 1")
	case f.All && (from.reference() != "" || to.tag != ""):
		return errors.New("--all copies all tags, so none can be named")
	}
	return nil
}

// A copying is a copy from one place to another.
type copying struct {
	copyFlags
	verb     string // push, pull or copy
	from, to place
	mounts   []string // other repositories of the registry at to

	network network
	engine  *transfer.Engine
}

// maxMemory is what a copy uses of memory, in bytes, if nothing else is said by
// GOMEMLIMIT. Half of it are buffers.
const maxMemory = 200 << 20

// run copies, and says so.
func (c *copying) run(t terminal) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // the next signal ends the process
	if os.Getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(maxMemory))
	}
	display := c.display(t)
	log := c.log(display)
	c.network = network{
		transport: &absent.Transport{Base: transfer.NewTransport()}, logins: auth.NewCache(), plain: c.PlainHTTP,
	}
	c.engine = transfer.New(transfer.Options{Parallel: c.Jobs, Sessions: sessions(), Log: log})

	begun := time.Now()
	summary, err := c.copy(ctx, display, log)
	display.Close()
	switch {
	case err == nil: // though a signal may have come at the last moment
	case ctx.Err() != nil:
		err = errors.New("interrupted; the same command goes on where it ended")
	default:
		err = c.explain(err)
	}
	o := outcome{copying: c, Summary: summary, spared: c.network.transport.Spared(), took: time.Since(begun), err: err}
	if printed := o.print(t.out); printed != nil && err == nil {
		return printed
	}
	return err
}

func (c *copying) display(t terminal) progress.Display {
	switch {
	case c.JSON:
		return progress.Events(t.out)
	case progress.IsTerminal(t.err) && !c.DryRun:
		return progress.Bars(t.err, human)
	}
	return progress.Lines(t.err, human)
}

// log returns one that says only what somebody may want to read.
func (c *copying) log(display progress.Display) *slog.Logger {
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(display, &slog.HandlerOptions{Level: level}))
}

// sessions is where uploads are noted that another process may go on with. Without
// a home there is none.
func sessions() string {
	folder, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(folder, "berth", "uploads")
}

func (c *copying) copy(ctx context.Context, display progress.Display, log *slog.Logger) (mirror.Summary, error) {
	if !c.from.isFiles() && !c.All && c.from.reference() == "" {
		c.from.tag = "latest"
	}
	origin, done, err := c.origin()
	if err != nil {
		return mirror.Summary{}, err
	}
	defer done()
	images, err := c.images(ctx, origin)
	if err != nil {
		return mirror.Summary{}, err
	}
	target, finish, err := c.target()
	if err != nil {
		return mirror.Summary{}, err
	}
	s, err := mirror.Copy(c.scoped(ctx), origin, target, mirror.Options{
		Images: images, Platforms: c.Platform, Referrers: c.Referrers, DryRun: c.DryRun, Parallel: c.Jobs,
		Single: c.to.isFiles() && c.to.formatOf() == layout.DockerArchive, Watcher: display, Log: log,
	})
	return s, finish(err)
}

// images are those to be copied, none for all.
func (c *copying) images(ctx context.Context, origin mirror.Origin) ([]mirror.Image, error) {
	if c.All {
		return nil, nil
	}
	if err := c.choose(ctx, origin); err != nil {
		return nil, err
	}
	image := mirror.Image{Reference: c.from.reference()}
	if c.to.tag = cmp.Or(c.to.tag, c.from.tag); c.to.tag != "" {
		image.Tags = []string{c.to.tag}
	}
	return []mirror.Image{image}, nil
}

// choose finds which image in files is meant where none was named: the only one
// there is.
func (c *copying) choose(ctx context.Context, origin mirror.Origin) error {
	if c.from.reference() != "" {
		return nil
	}
	d, err := origin.Resolve(ctx, "")
	if err != nil {
		return err
	}
	c.from.digest = d.Digest
	if c.to.tag != "" {
		return nil
	}
	tags, err := tagsOf(ctx, origin, d)
	if err != nil {
		return err
	}
	switch len(tags) {
	case 0:
		c.to.tag = "latest"
	case 1:
		c.to.tag = tags[0]
	default:
		return fmt.Errorf("the image in %s has several tags, so give DST one: %s", c.from, clean(strings.Join(tags, ", ")))
	}
	return nil
}

// tagsOf returns the tags of an image.
func tagsOf(ctx context.Context, origin mirror.Origin, image oci.Descriptor) ([]string, error) {
	tags, err := origin.Tags(ctx)
	if err != nil {
		return nil, err
	}
	var its []string
	for _, tag := range tags {
		d, err := origin.Resolve(ctx, tag)
		if err != nil {
			return nil, err
		}
		if d.Digest == image.Digest {
			its = append(its, tag)
		}
	}
	return its, nil
}
