// Localcloud plays AWS on this machine: it reads the project's template and
// runs what it declares. The functions are their real binaries behind Lambda's
// runtime API, DynamoDB and S3 are servers that stand in for them, a gateway
// routes requests as an HTTP API does, and every call of a function is held to
// the policy that the template gives it. Events that nobody waits for are kept in
// a queue, and parameters of SSM in memory; STS tells who has signed a request.
// The table's stream feeds functions, EventBridge takes events and leads them
// where rules say, and what neither gets rid of is in queues of SQS.
//
// Its first two lines of output are the address of the registry and that of a
// control endpoint, which injects faults and says what was done. It stays until
// it is interrupted, and leaves nothing behind.
//
// What takes days is not played: nothing expires from the table by its TTL or
// from the bucket by its lifecycle rules. Nor are encryption, versions, backups,
// bucket policies, alarms, domain names and traces.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status: 1 for a cloud that failed, 2 for flags that were
// not understood.
func run(args []string, out, log io.Writer) int {
	var f flags
	parser, err := kong.New(&f,
		kong.Name("localcloud"),
		kong.Description("Localcloud plays AWS on this machine. Start it at the root of the project."),
		kong.Vars(helpVariables()),
		kong.Writers(out, log),
	)
	if err != nil {
		fmt.Fprintln(log, "localcloud:", err)
		return 1
	}
	if _, err := parser.Parse(args); err != nil {
		fmt.Fprintf(log, "localcloud: %v; see --help\n", err)
		return 2
	}
	if err := serve(f, out, log); err != nil {
		fmt.Fprintln(log, "localcloud:", err)
		return 1
	}
	return 0
}

// serve runs the cloud until a signal comes. One that comes during the start
// ends that, and is no failure.
func serve(f flags, out, log io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := f.config(log)
	if err != nil {
		return err
	}
	c, err := start(ctx, cfg)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() {
		if closing := c.close(); err == nil {
			err = closing
		}
	}()
	if _, err := fmt.Fprintf(out, "registry %s\ncontrol %s\n", c.registryURL, c.controlURL); err != nil {
		return fmt.Errorf("print the addresses: %w", err)
	}
	select {
	case <-ctx.Done():
		stop() // a second signal ends us at once
		return nil
	case err := <-c.failed:
		return err
	}
}
