// Package e2e drives a real registry over HTTP with clients that others wrote.
//
// By default the tests build berth and start it. With BERTH_E2E_CLOUD set they
// start the local cloud instead, which runs the functions as AWS would, and with
// BERTH_E2E_URL set to the likes of http://127.0.0.1:5000 they run against what
// is there.
package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/e2e/berth"
)

var (
	host   string // host:port of the registry that the tests share
	binary string // the berth command, if berth serve is what is tested
	most   int64  // bytes that the registry takes in one request, a lot if it does not say
)

func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	if scratch, err = os.MkdirTemp("", "berth-e2e-"); err != nil {
		return 0, fmt.Errorf("make a scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	if url := os.Getenv("BERTH_E2E_URL"); url != "" {
		host = strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
		return runTests(m), stopProxy()
	}
	server, err := startShared(context.Background(), scratch)
	if err != nil {
		return 0, err
	}
	host = server.Addr
	if code = runTests(m); code != 0 {
		fmt.Fprintf(os.Stderr, "The registry's last words:\n%s", server.Output())
	}
	return code, errors.Join(stopProxy(), server.Stop(), guard.stop())
}

// startShared starts the registry that the tests share.
func startShared(ctx context.Context, dir string) (*berth.Server, error) {
	if os.Getenv("BERTH_E2E_CLOUD") != "" {
		cloud, err := berth.BuildCloud(ctx, dir)
		if err != nil {
			return nil, err
		}
		return berth.StartCloud(ctx, cloud)
	}
	var err error
	if binary, err = berth.Build(ctx, dir, buildFlags()...); err != nil {
		return nil, err
	}
	return berth.Start(ctx, binary, filepath.Join(dir, "data"))
}

// runTests asks the registry first how much it takes in one request.
func runTests(m *testing.M) int {
	resp, err := http.Post("http://"+host+"/v2/e2e/limit/blobs/uploads/", "", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ask for the largest request:", err)
		return 1
	}
	resp.Body.Close()
	most = math.MaxInt64
	if limit := resp.Header.Get("OCI-Chunk-Max-Length"); limit != "" {
		if most, err = strconv.ParseInt(limit, 10, 64); err != nil {
			fmt.Fprintln(os.Stderr, "ask for the largest request:", err)
			return 1
		}
	}
	return m.Run()
}

// buildFlags asks for a server with the race detector where BERTH_E2E_RACE is
// set. Such a server ends with an error after a race, and so do the tests.
func buildFlags() []string {
	if os.Getenv("BERTH_E2E_RACE") == "" {
		return nil
	}
	return []string{"-race"}
}

// newRepo returns the name of a repository that nothing else uses.
func newRepo(t *testing.T) string {
	t.Helper()
	return newRepoIn(t, "e2e")
}

// newRepoIn is newRepo in a folder, since the policy goes by folders.
func newRepoIn(t *testing.T, folder string) string {
	t.Helper()
	unwanted := regexp.MustCompile(`[^a-z0-9]+`)
	name := unwanted.ReplaceAllString(strings.ToLower(t.Name()), "-")
	return folder + "/" + strings.Trim(name, "-") + "/" + strings.ToLower(rand.Text()[:10])
}

// command skips the test if a program is not installed. Where
// BERTH_TEST_REQUIRE is set, as in CI, that is a failure.
func command(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("BERTH_TEST_REQUIRE") != "" {
		t.Fatalf("%s is not installed, and BERTH_TEST_REQUIRE is set", name)
	}
	t.Skipf("%s is not installed", name)
}

// run runs a program and returns what it printed to its standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}
