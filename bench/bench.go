package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/bench/machine"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

// A figure is something that is measured.
type figure struct {
	name, about string
	take        func(context.Context, *stage) error
}

func allFigures() []figure {
	return []figure{
		{"manifest", "manifests by tag, by digest and by HEAD, at 1, 8 and 64 connections", takeManifest},
		{"blob", "blobs of 1 MiB and 256 MiB, and what they cost the server", takeBlob},
		{"push", "an image of 8 layers of 16 MiB, 4 at a time", takePush},
		{"attach", "small artifacts, one after the other, to one subject", takeAttach},
		{"referrers", "lists of referrers, whole and filtered", takeReferrers},
		{"tags", "pages of a list of 100,000 tags", takeTags},
		{"access", "what a token costs, and a right that is limited to tags, with a hint and without", takeAccess},
		{"memory", "the most memory resident while 16 clients push layers of 1 GiB", takeMemory},
		{"transfer", "images of large layers that berth push and pull, a bare tool and crane move", takeTransfer},
		{"line", "the same over a line on which each connection gets a part, as on the way to S3", takeLine},
		{"present", "requests of berth push for images that are there", takePresent},
		{"proxy", "the most memory resident in berth proxy while crane pushes large layers", takeProxy},
		{"saving", "requests, bytes and time that OCI-Referrers saves who copies an image with all that refers to it", takeSaving},
		{"announce", "how long after an artifact was attached its event is there, and what telling costs", takeAnnounce},
		{"coldstart", "functions until their first call for work, and their sizes", takeColdStart},
		{"cloud", "a manifest through the local cloud, beside a bare read of its item", takeCloud},
		{"function", "a function that is asked for a manifest, event after event", takeFunction},
		{"event", "allocations from a gateway's event to its response", takeEvent},
	}
}

// bench is one run.
type bench struct {
	settings
	dir          string // for data, removed at the end
	self         string // this program
	distribution string // its binary, "" for none
	table        io.Writer
	report       report.Report
}

// newBench gets everything ready that figures need. The working folder must be
// the root of the checkout.
func newBench(ctx context.Context, s settings) (*bench, error) {
	b := &bench{settings: s, table: os.Stdout, report: report.Report{Smoke: s.smoke, Machine: report.Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version(),
	}}}
	if s.json {
		b.table = io.Discard
	}
	if err := b.prepare(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) (err error) {
	cache, err := filepath.Abs(filepath.Join(".cache", "bench"))
	if err != nil {
		return fmt.Errorf("find the cache: %w", err)
	}
	if b.dir, err = makeRunDir(cache); err != nil {
		return err
	}
	if b.self, err = keepSelf(b.dir); err != nil {
		return err
	}
	if b.berth == "" {
		b.say("building berth")
		if b.berth, err = target.BuildBerth(ctx, ".", b.dir); err != nil {
			return err
		}
	}
	if !b.without {
		b.say("installing distribution, unless it is there")
		b.distribution, err = target.InstallDistribution(ctx, cache)
	}
	return err
}

// keepSelf gives this program another name in dir: the next run may build
// another in its place, which would not understand this one.
func keepSelf(dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if link := filepath.Join(dir, "bench"); os.Link(self, link) == nil {
		return link, nil
	}
	return self, nil // on another disk, where nobody builds it anew
}

// makeRunDir makes a folder for the data of this process, on the disk of the
// checkout: what is in /tmp may be in memory. It removes those of processes
// that were killed, which may be large.
func makeRunDir(cache string) (string, error) {
	const prefix = "run-"
	old, err := filepath.Glob(filepath.Join(cache, prefix+"*"))
	if err != nil {
		return "", fmt.Errorf("look for old data: %w", err)
	}
	for _, dir := range old {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), prefix))
		if err == nil && !machine.Alive(pid) {
			os.RemoveAll(dir)
		}
	}
	dir := filepath.Join(cache, prefix+strconv.Itoa(os.Getpid()))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("make a folder for data: %w", err)
	}
	return dir, nil
}

func (b *bench) close() {
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

// run takes the figures and reports them.
func (b *bench) run(ctx context.Context) error {
	if err := report.WriteHead(b.table); err != nil {
		return err
	}
	for _, f := range b.figures {
		b.say(f.name + ": " + f.about)
		if err := b.take(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	fmt.Fprintln(b.table, b.report.Summary())
	if b.json {
		if err := b.report.WriteJSON(os.Stdout); err != nil {
			return err
		}
	}
	if !b.smoke && b.report.Count(report.Short) > 0 {
		return errShort
	}
	return nil
}

// take takes one figure, on servers and data of its own.
func (b *bench) take(ctx context.Context, f figure) error {
	s := &stage{bench: b, figure: f.name, dir: filepath.Join(b.dir, f.name)}
	defer s.clear()
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return fmt.Errorf("make a folder for data: %w", err)
	}
	return f.take(ctx, s)
}

// say tells whoever waits what is going on.
func (b *bench) say(what string) { fmt.Fprintln(os.Stderr, "bench:", what) }
