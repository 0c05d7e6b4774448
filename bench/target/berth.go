package target

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/machine"
)

// BuildBerth compiles the berth command of the checkout at root and returns
// the path of the binary, which it writes to dir.
func BuildBerth(ctx context.Context, root, dir string) (string, error) {
	return build(ctx, root, dir, "./cmd/berth")
}

func build(ctx context.Context, root, dir, pkg string) (string, error) {
	name := filepath.Base(pkg)
	binary := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, pkg)
	build.Dir = root
	machine.Tie(build)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return binary, nil
}

// Berth starts the registry of a binary as a user would, with its data in dir.
func Berth(ctx context.Context, binary, dir string) (*Target, error) {
	return BerthWith(ctx, "berth", binary, dir)
}

// BerthWith starts it under another name, with more flags.
func BerthWith(ctx context.Context, name, binary, dir string, args ...string) (*Target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	args = append([]string{"serve", "--listen", addr, "--data", filepath.Join(dir, name)}, args...)
	return start(ctx, name, dir, addr, exec.CommandContext(ctx, binary, args...))
}
