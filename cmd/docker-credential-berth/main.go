// Docker-credential-berth makes the credentials for registries that `berth
// login` was told how to make them for. Docker, containerd's nerdctl, podman,
// skopeo, crane, oras and others run it when they need some, by the protocol of
// Docker's credential helpers.
package main

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/berthregistry/berth/cmd/berth/workload"
)

// patience is how long making credentials may take: those who wait for it are
// in the middle of a pull.
const patience = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	h := helper{
		in: os.Stdin, out: os.Stdout,
		folder: func() (string, error) { return workload.Folder(os.Getenv) },
		machine: workload.Machine{
			Getenv: os.Getenv,
			HTTP:   &http.Client{},
			AWS:    func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) },
		},
	}
	os.Exit(h.run(ctx, os.Args[1:]))
}
