package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/berthregistry/berth/e2e/berth"
)

// errBelow says that the suite ran and did not reach its counts.
var errBelow = errors.New("below the gate")

// A place is where a suite finds its registry: what runs at a URL, or else a
// fresh one for each mode, on the local cloud or as berth serve.
type place struct {
	url   string
	cloud bool
}

// run takes a suite through all its modes. Reports go to results; if that is
// empty they are dropped.
func run(ctx context.Context, binary string, at place, results string) error {
	s, err := identify(binary)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "berth-conformance-")
	if err != nil {
		return fmt.Errorf("make a scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	if results == "" {
		results = filepath.Join(scratch, "results")
	}
	start, err := at.starter(ctx, scratch)
	if err != nil {
		return err
	}
	var faults []error
	for _, m := range s.modes {
		if m.guarded && (at.cloud || at.url != "") {
			continue
		}
		if err := runMode(ctx, s, m, start, results); err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", s.name, m.name, err))
		}
	}
	return errors.Join(faults...)
}

// starter makes a registry available to one mode and returns its host:port
// and what ends it.
type starter func(m mode) (host string, stop func() error, err error)

// starter returns how a mode gets its registry: for a given URL nothing is
// started.
func (p place) starter(ctx context.Context, scratch string) (starter, error) {
	if p.url != "" {
		u, err := url.Parse(p.url)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("%q is not of the form http://host:port", p.url)
		}
		return func(mode) (string, func() error, error) {
			return u.Host, func() error { return nil }, nil
		}, nil
	}
	if p.cloud {
		binary, err := berth.BuildCloud(ctx, scratch)
		if err != nil {
			return nil, err
		}
		return func(m mode) (string, func() error, error) { return deploy(ctx, binary, m) }, nil
	}
	binary, err := berth.Build(ctx, scratch)
	if err != nil {
		return nil, err
	}
	return func(m mode) (string, func() error, error) { return serve(ctx, binary, scratch, m) }, nil
}

// deploy starts a fresh local cloud with the settings that the mode needs.
func deploy(ctx context.Context, binary string, m mode) (string, func() error, error) {
	cloud, err := berth.StartCloud(ctx, binary, "--parameter", "Settings="+m.settings)
	if err != nil {
		return "", nil, err
	}
	return cloud.Addr, cloud.Stop, nil
}

// serve starts a fresh berth with the settings that the mode needs.
func serve(ctx context.Context, binary, scratch string, m mode) (string, func() error, error) {
	dir, err := os.MkdirTemp(scratch, "serve-")
	if err != nil {
		return "", nil, fmt.Errorf("make a data folder: %w", err)
	}
	var args []string
	if m.settings != "" {
		file := filepath.Join(dir, "settings.yaml")
		if err := os.WriteFile(file, []byte(m.settings), 0o600); err != nil {
			return "", nil, fmt.Errorf("write the settings: %w", err)
		}
		args = append(args, "--config", file)
	}
	if m.guarded {
		if args, err = guard(dir); err != nil {
			return "", nil, err
		}
	}
	server, err := berth.Start(ctx, binary, filepath.Join(dir, "data"), args...)
	if err != nil {
		return "", nil, err
	}
	return server.Addr, server.Stop, nil
}

// runMode runs one mode on a registry and prints its line.
func runMode(ctx context.Context, s suite, m mode, start starter, results string) error {
	host, stop, err := start(m)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Join(results, s.name+" "+m.name))
	if err != nil {
		return errors.Join(fmt.Errorf("name the folder of results: %w", err), stop())
	}
	got, err := execute(ctx, s, m, host, dir)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return show(s, m, got)
}

// mostNames is how many tests that did not pass are named. Past that the
// reports are the better reading.
const mostNames = 20

// show prints the line of a mode, and what did not pass if the gate is shut.
func show(s suite, m mode, got counts) error {
	line := fmt.Sprintf("%-6s  %-10s  %s", s.name, m.name, got)
	faults := m.want.judge(got)
	if len(faults) == 0 {
		fmt.Println(line, "  ok")
		return nil
	}
	fmt.Println(line, "  BELOW THE GATE:", strings.Join(faults, "; "))
	for i, name := range got.notPassed {
		if i == mostNames {
			fmt.Printf("    and %d more\n", len(got.notPassed)-i)
			break
		}
		fmt.Println("   ", name)
	}
	return errBelow
}
