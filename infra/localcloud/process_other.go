//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Without Linux a child that has children itself may leave them behind, and so
// may we when we are killed.
func attributes() *syscall.SysProcAttr { return nil }

func kill(cmd *exec.Cmd, s syscall.Signal) error {
	if err := cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
