package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// modeTimeout bounds one run of a suite. The slowest takes seconds; only a
// hanging registry takes minutes.
const modeTimeout = 10 * time.Minute

// A suite is one of the two programs that the spec's authors wrote. They share
// neither settings nor form of report.
type suite struct {
	name   string
	binary string
	env    func(host, repo, results string) []string
	count  func(report) counts
	modes  []mode
}

// A mode is one way to run a suite, with what it must reach.
type mode struct {
	name     string
	env      []string
	settings string // of berth serve; empty for none
	guarded  bool   // the registry has access control, and the suite logs in; berth serve only
	repo     string // the folder of its repositories
	want     want
}

// The ceilings: 79 specs of v1.1.1, of which four can only be skipped (they
// ask for things in the environment, or for a registry that has no anonymous
// mount). The numbers of main are the totals of a full score; its stable form
// leaves out two tests of cancelling an upload. A registry that mounts without
// being told from where, as this one does, is asked four questions more than
// others.
var (
	suiteV1 = suite{
		name:  "v1.1.1",
		env:   v1Env,
		count: countSpecs,
		modes: []mode{
			{name: "stable", repo: "conformance/v1", want: want{total: 79, skipped: 4}},
			{name: "guarded", repo: "conformance/guarded", guarded: true, env: loggedIn, want: want{total: 79, skipped: 4}},
		},
	}
	suiteMain = suite{
		name:  "main",
		env:   mainEnv,
		count: countTotals,
		modes: []mode{
			{name: "stable", repo: "conformance/stable", env: []string{"OCI_VERSION=stable"},
				want: want{total: 862, disabled: 2}},
			{name: "dev", repo: "conformance/dev", env: []string{"OCI_VERSION=dev"},
				want: want{total: 986}},
			{name: "dev+sparse", repo: "conformance/sparse", settings: sparse,
				env:  []string{"OCI_VERSION=dev", "OCI_DATA_SPARSE=true"},
				want: want{total: 1032}},
			{name: "guarded", repo: "conformance/guarded", guarded: true,
				env:  append([]string{"OCI_VERSION=dev"}, loggedIn...),
				want: want{total: 986}},
		},
	}
)

// loggedIn gives a suite its credentials.
var loggedIn = []string{"OCI_USERNAME=" + user, "OCI_PASSWORD=" + password}

// identify tells the suites apart by how the binary says it was built: the one
// of v1.1.1 is a test binary, the rewrite an ordinary program.
func identify(binary string) (suite, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return suite{}, fmt.Errorf("identify the suite: %w", err)
	}
	pkg, isTest := strings.CutSuffix(info.Path, ".test")
	if !strings.HasSuffix(pkg, "/distribution-spec/conformance") {
		return suite{}, fmt.Errorf("identify the suite: %s was built from %s", binary, info.Path)
	}
	s := suiteMain
	if isTest {
		s = suiteV1
	}
	if s.binary, err = filepath.Abs(binary); err != nil {
		return suite{}, fmt.Errorf("identify the suite: %w", err)
	}
	return s, nil
}

func v1Env(host, repo, results string) []string {
	return []string{
		"OCI_ROOT_URL=http://" + host,
		"OCI_NAMESPACE=" + repo + "-a",
		"OCI_CROSSMOUNT_NAMESPACE=" + repo + "-b",
		"OCI_REPORT_DIR=" + results,
		"OCI_TEST_PULL=1",
		"OCI_TEST_PUSH=1",
		"OCI_TEST_CONTENT_DISCOVERY=1",
		"OCI_TEST_CONTENT_MANAGEMENT=1",
		"OCI_AUTOMATIC_CROSSMOUNT=1", // a mount that names no source finds the blob by itself
	}
}

func mainEnv(host, repo, results string) []string {
	return []string{
		"OCI_REGISTRY=" + host,
		"OCI_TLS=disabled",
		"OCI_REPO1=" + repo + "-a",
		"OCI_REPO2=" + repo + "-b",
		"OCI_RESULTS_DIR=" + results,
		"OCI_LOG=error",
	}
}

// execute runs the suite once and returns what it counted. How the process
// ended is not looked at, only whether it left a report.
func execute(ctx context.Context, s suite, m mode, host, dir string) (counts, error) {
	ctx, cancel := context.WithTimeout(ctx, modeTimeout)
	defer cancel()
	// A report of an earlier run must not be taken for this one's.
	if err := os.RemoveAll(dir); err != nil {
		return counts{}, fmt.Errorf("clear the folder of results: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return counts{}, fmt.Errorf("make the folder of results: %w", err)
	}
	repo := m.repo + "/" + strings.ToLower(rand.Text()[:8]) // a registry at a URL may know the last run's
	cmd := exec.CommandContext(ctx, s.binary)
	cmd.Env = append(append(ownEnv(), s.env(host, repo, dir)...), m.env...)
	cmd.Dir = dir // away from any settings file of the suite
	out, runErr := cmd.CombinedOutput()
	var ended *exec.ExitError
	if runErr != nil && !errors.As(runErr, &ended) {
		return counts{}, fmt.Errorf("run the suite: %w", runErr)
	}
	r, err := readReport(filepath.Join(dir, "junit.xml"))
	if err != nil {
		return counts{}, fmt.Errorf("%w; the suite printed:\n%s", err, tail(out))
	}
	return s.count(r), nil
}

// ownEnv is the environment without settings of a suite.
func ownEnv() []string {
	var kept []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "OCI_") {
			kept = append(kept, kv)
		}
	}
	return kept
}

func tail(out []byte) []byte {
	const most = 2 << 10
	return bytes.TrimSpace(out[max(0, len(out)-most):])
}
