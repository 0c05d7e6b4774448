package main

import (
	"errors"
	"os/exec"
	"syscall"
)

// attributes has the kernel end a child when we die, even by kill -9, and puts
// it in a group of its own: a terminal's ^C is not for it, since it ends after
// those who need it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// kill sends a signal to a child that has not been waited for, and what it has started.
func kill(cmd *exec.Cmd, s syscall.Signal) error {
	if err := syscall.Kill(-cmd.Process.Pid, s); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil // it has ended
}
