// Command s3server is the S3 service of the tests: the versitygw gateway over
// a plain folder. It lives in a module of its own, so that its sixty-odd
// dependencies are none of the registry's.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// settings is what the flags say. The defaults are those that the tests of
// shared/blobs/s3 assume, so that a bare start serves a bare test run.
type settings struct {
	listen    string // host:port
	root      string // folder that holds the buckets
	buckets   string // comma-separated, made at start
	accessKey string
	secretKey string
	region    string
}

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(withParent(ctx), log, parse()); err != nil {
		log.Error("s3server stopped", "error", err)
		os.Exit(1)
	}
}

func parse() settings {
	var s settings
	flag.StringVar(&s.listen, "listen", "127.0.0.1:9090", "address to listen on")
	flag.StringVar(&s.root, "root", "", "folder that holds the buckets (required)")
	flag.StringVar(&s.buckets, "buckets", "berth-test", "buckets to create, comma-separated")
	flag.StringVar(&s.accessKey, "access-key", env("BERTH_TEST_S3_ACCESS_KEY", "berth-test"), "access key, default from BERTH_TEST_S3_ACCESS_KEY")
	flag.StringVar(&s.secretKey, "secret-key", env("BERTH_TEST_S3_SECRET_KEY", "berth-test-secret"), "secret key, default from BERTH_TEST_S3_SECRET_KEY")
	flag.StringVar(&s.region, "region", "us-east-1", "region that signatures must name")
	flag.Parse()
	return s
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func run(ctx context.Context, log *slog.Logger, s settings) error {
	if s.root == "" {
		return fmt.Errorf("--root is required")
	}
	backend, err := openBackend(s.root, strings.Split(s.buckets, ","))
	if err != nil {
		return err
	}
	log.Info("s3server starts", "listen", s.listen, "root", s.root, "buckets", s.buckets)
	return serve(ctx, backend, s)
}
