package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Tie has the kernel kill the command when this process dies, however it does.
// Strictly, when the thread that starts it ends; Go keeps its threads.
func Tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// Alive says whether there is a process of that number.
func Alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// Settle waits until what has been written is on its disks.
func Settle() { syscall.Sync() }

// tick is the unit of the times in /proc/<pid>/stat. It has been the same on
// every architecture for long.
const tick = time.Second / 100

// CPUTime is what a process has spent so far, in itself and in the kernel.
func CPUTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time: %w", err)
	}
	// The second field is a name in brackets that may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("CPU time: malformed stat")
	}
	user, err1 := strconv.Atoi(string(fields[11]))
	system, err2 := strconv.Atoi(string(fields[12]))
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("CPU time: %w", err)
	}
	return time.Duration(user+system) * tick, nil
}

// PeakMemory is the most that a process has had resident so far, in bytes,
// pages of mapped files included.
func PeakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("peak memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("peak memory: malformed status")
}

// PeakOf is the most that a process which has ended had resident, in bytes, 0 if
// that is not known.
func PeakOf(state *os.ProcessState) int64 {
	used, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return used.Maxrss << 10
}

// FreeDisk is what may still be written to the file system of a folder, in
// bytes.
func FreeDisk(dir string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free disk: %w", err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}
