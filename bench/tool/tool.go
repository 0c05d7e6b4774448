// Package tool installs and runs programs that do one thing and end, ours and
// others', and tells what that took.
package tool

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/bench/machine"
)

// A Tool is a program.
type Tool struct {
	Name string
	Path string
	Env  []string // beside that of this process
}

// The public tools that figures are taken beside, locked.
const (
	crane  = "github.com/google/go-containerregistry/cmd/crane@v0.22.1"
	rclone = "github.com/rclone/rclone@v1.76.0"
	regctl = "github.com/regclient/regclient/cmd/regctl@v0.11.7"
)

// InstallCrane has the Go command fetch and build crane into a folder of cache,
// unless that was done before.
func InstallCrane(ctx context.Context, cache string) (Tool, error) {
	return install(ctx, cache, "crane", crane)
}

// InstallRclone is InstallCrane for rclone, which takes some minutes.
func InstallRclone(ctx context.Context, cache string) (Tool, error) {
	return install(ctx, cache, "rclone", rclone)
}

// InstallRegctl is InstallCrane for regctl.
func InstallRegctl(ctx context.Context, cache string) (Tool, error) {
	return install(ctx, cache, "regctl", regctl)
}

// BuildOras has the Go command build oras into cache, in the version that a
// module of the checkout at root locks.
func BuildOras(ctx context.Context, root, cache string) (Tool, error) {
	t := Tool{Name: "oras", Path: filepath.Join(cache, "oras")}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-o", t.Path, ".")
	cmd.Dir = filepath.Join(root, "bench", "tool", "oras")
	machine.Tie(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return Tool{}, fmt.Errorf("build oras: %w\n%s", err, out)
	}
	return t, nil
}

func install(ctx context.Context, cache, name, pkg string) (Tool, error) {
	_, version, _ := strings.Cut(pkg, "@")
	dir := filepath.Join(cache, name+"-"+version)
	t := Tool{Name: name, Path: filepath.Join(dir, name)}
	if _, err := os.Stat(t.Path); err == nil {
		return t, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", pkg)
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	machine.Tie(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return Tool{}, fmt.Errorf("install %s %s: %w\n%s", name, version, err, out)
	}
	return t, nil
}

// A Run is what a program took.
type Run struct {
	Elapsed time.Duration
	CPU     time.Duration // in itself and in the kernel
	Memory  int64         // the most that was resident, in bytes; 0 if that is not known
}

// Run runs the program to its end. What it printed is part of the error.
func (t Tool) Run(ctx context.Context, args ...string) (Run, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, t.Path, args...)
	cmd.Env = append(without(os.Environ(), "AWS_CA_BUNDLE"), t.Env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	machine.Tie(cmd)
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return Run{}, fmt.Errorf("%s %s: %w\n%s", t.Name, strings.Join(args, " "), err, out.Bytes())
	}
	state := cmd.ProcessState
	return Run{
		Elapsed: time.Since(start),
		CPU:     state.UserTime() + state.SystemTime(),
		Memory:  machine.PeakOf(state),
	}, nil
}

// without leaves out a variable: clients of AWS fail at start over bundles of
// certificates that they do not need here.
func without(env []string, name string) []string {
	return slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
}
