// Command conformance runs a suite of the OCI distribution spec against berth
// serve and judges by what the suite counted. Both suites exit with 0 when
// they were misconfigured and tested nothing, so exit codes are not asked.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

const usage = `Run a conformance suite of the OCI distribution spec and judge by its counts.

usage: scripts/conformance [--cloud] [--results FOLDER] SUITE [URL]

  SUITE   a binary of a suite of the OCI distribution spec: the test binary
          of v1.1.1, or the program that took its place on the main branch.
          Which of the two it is shows in the binary.
  URL     a registry that is already running, such as http://127.0.0.1:5000.
          It must take deletes, and content with missing parts in repositories
          below conformance/sparse. Without it, each mode gets a fresh
          "berth serve" of this checkout with a data folder of its own.

  --cloud            give each mode a fresh local cloud in place of "berth
                     serve": the functions behind a gateway as on AWS
  --results FOLDER   keep the reports of the suite there, one folder per mode

One line per mode. The status is 0 only if every mode reached its counts.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	flags := flag.NewFlagSet("conformance", flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	cloud := flags.Bool("cloud", false, "")
	results := flags.String("results", "", "")
	flags.Parse(os.Args[1:])
	if flags.NArg() < 1 || flags.NArg() > 2 || *cloud && flags.NArg() == 2 {
		flags.Usage()
		os.Exit(2)
	}
	if err := run(ctx, flags.Arg(0), place{url: flags.Arg(1), cloud: *cloud}, *results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
