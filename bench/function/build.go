// Package function builds Berth's functions, and runs them as Lambda does.
package function

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/machine"
)

// The names of functions that are no part of Berth, but what it is measured by:
// one that does nothing, and one that reads an item and does nothing else. Both
// answer null.
const (
	Empty  = "empty"
	Reader = "reader"
)

// Build has scripts/build of the checkout at root build all functions, and with
// the same flags those that they are measured by, into dir: for this machine if
// native, else for Lambda. It returns the paths of the bootstraps by their
// functions' names.
func Build(ctx context.Context, root, dir string, native bool) (map[string]string, error) {
	var options []string
	if native {
		options = []string{"--native"}
	}
	const measures = "./scripts/internal/"
	for _, packages := range [][]string{nil, {measures + Empty, measures + Reader}} {
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
