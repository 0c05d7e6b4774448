package function

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/berthregistry/berth/bench/machine"
)

var allocations = regexp.MustCompile(`(?m)^BenchmarkManifest\b.*\s(\d+) allocs/op$`)

// Allocations returns how often memory is allocated for a GET of a manifest,
// from the gateway's event to what is returned for it, on the stores of berth
// serve. It has a benchmark of the checkout at root count them.
func Allocations(ctx context.Context, root string) (int, error) {
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkManifest$", "-benchtime", "2000x", "./shared/wire")
	test.Dir = root
	machine.Tie(test)
	out, err := test.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("count allocations: %w\n%s", err, out)
	}
	found := allocations.FindSubmatch(out)
	if found == nil {
		return 0, errors.New("count allocations: the benchmark does not say\n" + string(out))
	}
	return strconv.Atoi(string(found[1]))
}
