// Command bench measures Berth: each figure as a ratio, taken in one run on one
// machine beside another registry or a bare baseline. scripts/bench runs it.
//
// It starts itself for two jobs that must not share a process with it: "bench
// load", which puts load on a server, and "bench bare FILE", the baseline. As
// "bench picture README SVG" it shows what a report on standard input says of
// what a header saves; scripts/saving runs that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/berthregistry/berth/bench/load"
	"github.com/berthregistry/berth/bench/picture"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/target"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		defer os.Exit(2)
	case errors.Is(err, errShort):
		defer os.Exit(1) // the report says it all
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		defer os.Exit(2)
	}
}

// errShort is the error of a run in which everything worked, but some figure
// is not what was wanted.
var errShort = errors.New("figures fall short")

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "load":
		return load.Serve(ctx, os.Stdin, os.Stdout)
	case len(args) == 2 && args[0] == "bare":
		return target.ServeBare(ctx, args[1])
	case len(args) == 3 && args[0] == "picture":
		return illustrate(os.Stdin, args[1], args[2])
	}
	s, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	return b.run(ctx)
}

// illustrate puts what a report says of savings into the README, as a table, and
// draws it.
func illustrate(from io.Reader, readme, svg string) error {
	r, err := report.Read(from)
	if err != nil {
		return err
	}
	savings, err := picture.Of(r)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("read the README: %w", err)
	}
	if text, err = picture.Splice(text, picture.Table(savings)); err != nil {
		return err
	}
	drawn, err := picture.Draw(savings)
	if err != nil {
		return err
	}
	if err := os.WriteFile(svg, drawn, 0o666); err != nil {
		return fmt.Errorf("write the drawing: %w", err)
	}
	if err := os.WriteFile(readme, text, 0o666); err != nil {
		return fmt.Errorf("write the README: %w", err)
	}
	return nil
}
