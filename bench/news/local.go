package news

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/berthregistry/berth/bench/machine"
)

// LocalDelays has a benchmark of the checkout at root measure how long after a
// write its change comes out of the table of berth serve, with so many writers:
// the median and the 99th percentile. The table is in dir.
func LocalDelays(ctx context.Context, root, dir string, writers, writes int) (p50, p99 time.Duration, err error) {
	name := fmt.Sprintf("BenchmarkStreamDelay/writers=%d", writers)
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+name+"$",
		"-benchtime", fmt.Sprintf("%dx", writes), "./shared/table/local")
	test.Dir, test.Env = root, append(os.Environ(), "TMPDIR="+dir)
	machine.Tie(test)
	out, err := test.CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("measure the stream: %w\n%s", err, out)
	}
	p50, err1 := metric(out, name, "p50-µs")
	p99, err2 := metric(out, name, "p99-µs")
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, fmt.Errorf("measure the stream: %w\n%s", err, out)
	}
	return p50, p99, nil
}

// metric finds what a benchmark has reported by that name, in microseconds.
func metric(out []byte, benchmark, name string) (time.Duration, error) {
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(benchmark) + `(?:-\d+)?\s.*\s(-?[\d.]+) ` + name)
	found := line.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("%s does not say %s", benchmark, name)
	}
	micros, err := strconv.ParseFloat(string(found[1]), 64)
	return time.Duration(micros * float64(time.Microsecond)), err
}
