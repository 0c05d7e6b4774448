// Command oras is that of the ORAS project, in the version that go.mod locks with
// all that it stands on. It can't be installed by name and version everywhere:
// the Go command would look for later ones of it.
package main

import (
	"context"
	"os"
	"os/signal"

	"oras.land/oras/cmd/oras/root"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if root.New().ExecuteContext(ctx) != nil { // it has said why
		defer os.Exit(1)
	}
}
