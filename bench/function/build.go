// Package function builds Berth's functions, and starts them as Lambda does.
package function

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/machine"
)

// Empty is the name of a function that does nothing. It is no part of Berth.
const Empty = "empty"

// Build has scripts/build of the checkout at root build all functions, and the
// empty one with the same flags, into dir: for this machine if native, else for
// Lambda. It returns the paths of the bootstraps by their functions' names.
func Build(ctx context.Context, root, dir string, native bool) (map[string]string, error) {
	var options []string
	if native {
		options = []string{"--native"}
	}
	for _, packages := range [][]string{nil, {"./scripts/internal/" + Empty}} {
		args := append(append(options[:len(options):len(options)], dir), packages...)
		build := exec.CommandContext(ctx, filepath.Join(root, "scripts", "build"), args...)
		machine.Tie(build)
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build functions: %w\n%s", err, out)
		}
	}
	built, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("find functions: %w", err)
	}
	bootstraps := map[string]string{}
	for _, function := range built {
		bootstraps[function.Name()] = filepath.Join(dir, function.Name(), "bootstrap")
	}
	return bootstraps, nil
}
