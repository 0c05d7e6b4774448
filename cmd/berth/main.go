// Berth is a private OCI registry. This is its command line: the registry
// itself for a laptop or a VM, and what goes with it.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

type commands struct {
	Serve   serve      `cmd:"" help:"Run a registry on this machine."`
	Push    push       `cmd:"" help:"Push images to a registry, with layers of any size."`
	Pull    pull       `cmd:"" help:"Pull images from a registry into files."`
	Copy    copyImages `cmd:"" help:"Copy images from one registry to another."`
	Login   logIn      `cmd:"" help:"Log this machine in to a registry."`
	Policy  policy     `cmd:"" help:"Read, change, test and explain who may do what."`
	Robot   robot      `cmd:"" help:"Make and revoke the access keys of machines."`
	Keys    keys       `cmd:"" help:"Replace what signs tokens."`
	Letters letters    `cmd:"" help:"List what webhooks did not take, and send it again."`
	Watch   watch      `cmd:"" help:"Print what happens in a repository as it happens."`
	Redrive redrive    `cmd:"" help:"Tell again what could not be told on AWS."`
	Proxy   proxyTo    `cmd:"" help:"Stand for a registry on this machine, for clients that send large layers."`
	Tree    tree       `cmd:"" help:"Draw an image, its platforms and all that refers to it."`
	Doctor  doctor     `cmd:"" help:"Examine a registry: does its front door do what is assumed?"`
	Version version    `cmd:"" help:"Print the version."`
}

// A terminal is where a command writes, results to out and the rest to err, and
// where it reads secrets.
type terminal struct {
	out, err io.Writer
	in       io.Reader
}

func main() { os.Exit(run(os.Args[1:], terminal{out: os.Stdout, err: os.Stderr, in: os.Stdin})) }

// run returns the exit status: 1 for a command that failed, 2 for one that was
// not understood.
func run(args []string, t terminal) int {
	parser, err := kong.New(&commands{},
		kong.Name("berth"),
		kong.Description("Berth is a private OCI registry."),
		kong.Writers(t.out, t.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(t.err, "berth:", err)
		return 1
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(t.err, "berth: %v; see berth --help\n", err)
		return 2
	}
	if err := command.Run(t); err != nil {
		fmt.Fprintln(t.err, "berth:", cleanLines(err.Error())) // it may say what a registry said
		return 1
	}
	return 0
}
