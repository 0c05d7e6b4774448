package function

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/berthregistry/berth/bench/machine"
)

// Allocations are how often memory is allocated for a GET of a manifest.
type Allocations struct {
	Function int // from the gateway's event to what is returned for it, as deployed, with the line of the log
	Gateway  int // the same, with nothing but gateway and handler
	Handler  int // by the handler for a request of net/http
}

// CountAllocations has benchmarks of the checkout at root count them, on the
// stores of berth serve.
func CountAllocations(ctx context.Context, root string) (Allocations, error) {
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkManifest$", "-benchtime", "2000x", "./shared/wire", "./shared/gateway")
	test.Dir = root
	machine.Tie(test)
	out, err := test.CombinedOutput()
	if err != nil {
		return Allocations{}, fmt.Errorf("count allocations: %w\n%s", err, out)
	}
	var a Allocations
	for name, n := range map[string]*int{"": &a.Function, "/whole": &a.Gateway, "/handler": &a.Handler} {
		if *n, err = counted(out, "BenchmarkManifest"+name); err != nil {
			return Allocations{}, fmt.Errorf("count allocations: %w\n%s", err, out)
		}
	}
	return a, nil
}

// counted finds what one benchmark has counted.
func counted(out []byte, name string) (int, error) {
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `(?:-\d+)?\s.*\s(\d+) allocs/op$`)
	found := line.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("%s does not say", name)
	}
	return strconv.Atoi(string(found[1]))
}
