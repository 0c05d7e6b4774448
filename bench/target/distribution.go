package target

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/machine"
)

// distributionVersion is the release that figures are taken beside.
const distributionVersion = "v3.1.2"

// InstallDistribution has the Go command fetch and build the registry that most
// people run, unless that was done before, and returns the path of the binary,
// in a folder of cache.
func InstallDistribution(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, "distribution-"+distributionVersion)
	binary := filepath.Join(dir, "registry")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	install := exec.CommandContext(ctx, "go", "install", "github.com/distribution/distribution/v3/cmd/registry@"+distributionVersion)
	install.Env = append(os.Environ(), "GOBIN="+dir)
	machine.Tie(install)
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install distribution %s: %w\n%s", distributionVersion, err, out)
	}
	return binary, nil
}

// What is not said here is as distribution ships it, its access log included.
const distributionConfig = `version: 0.1
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: true}
http:
  addr: %s
`

const distributionStoreConfig = `version: 0.1
storage:
  s3:
    region: us-east-1
    regionendpoint: %s
    forcepathstyle: true
    secure: false
    bucket: %s
    accesskey: %s
    secretkey: %s
http:
  addr: %s
`

// Distribution starts the registry of a binary with its data in dir.
func Distribution(ctx context.Context, binary, dir string) (*Target, error) {
	return distribution(ctx, binary, dir, func(addr string) string {
		return fmt.Sprintf(distributionConfig, filepath.Join(dir, "distribution"), addr)
	})
}

// DistributionOn starts it with its data in a bucket of the store at a URL.
func DistributionOn(ctx context.Context, binary, store, bucket, dir string) (*Target, error) {
	return distribution(ctx, binary, dir, func(addr string) string {
		return fmt.Sprintf(distributionStoreConfig, store, bucket, StoreKey, StoreSecret, addr)
	})
}

func distribution(ctx context.Context, binary, dir string, config func(addr string) string) (*Target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start distribution: %w", err)
	}
	file := filepath.Join(dir, "distribution.yml")
	if err := os.WriteFile(file, []byte(config(addr)), 0o666); err != nil {
		return nil, fmt.Errorf("start distribution: %w", err)
	}
	cmd := exec.CommandContext(ctx, binary, "serve", file)
	// It would send traces to a collector that is not there, over and over.
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	return start(ctx, "distribution", dir, addr, cmd)
}
