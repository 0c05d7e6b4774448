package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
)

// Measure runs the load in the process that the command starts, which answers
// by Serve: what the load costs is then told from what the server costs, and no
// garbage of the caller disturbs it.
func (l Load) Measure(ctx context.Context, child *exec.Cmd) (Result, error) {
	in, err := child.StdinPipe()
	if err != nil {
		return Result{}, fmt.Errorf("measure: %w", err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return Result{}, fmt.Errorf("measure: %w", err)
	}
	if err := child.Start(); err != nil {
		return Result{}, fmt.Errorf("measure: %w", err)
	}
	defer child.Wait() // its answer says all
	if err := json.NewEncoder(in).Encode(l); err != nil {
		return Result{}, fmt.Errorf("measure: %w", err)
	}
	in.Close()
	var a answered
	if err := json.NewDecoder(out).Decode(&a); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Result{}, fmt.Errorf("measure: read result: %w", err)
	}
	if a.Failed != "" {
		return Result{}, fmt.Errorf("measure: %s", a.Failed)
	}
	return a.Result, nil
}

// answered is what a child says in the end.
type answered struct {
	Result
	Failed string // why there is no result
}

// Serve is the other side of Measure: it reads a load, runs it, and writes how
// it was answered.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var l Load
	if err := json.NewDecoder(in).Decode(&l); err != nil {
		return fmt.Errorf("read load: %w", err)
	}
	var a answered
	var err error
	if a.Result, err = l.Run(ctx); err != nil {
		a.Failed = err.Error()
	}
	if err := json.NewEncoder(out).Encode(a); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
