//go:build !linux

package machine

import (
	"os"
	"os/exec"
	"time"
)

// Tie does nothing here: what is started ends with this process only if that
// ends in an orderly way.
func Tie(*exec.Cmd) {}

// Alive says yes, which is never a reason to remove anything.
func Alive(int) bool { return true }

// Settle does nothing here.
func Settle() {}

// CPUTime returns ErrUnknown.
func CPUTime(int) (time.Duration, error) { return 0, ErrUnknown }

// PeakMemory returns ErrUnknown.
func PeakMemory(int) (int64, error) { return 0, ErrUnknown }

// PeakOf returns 0.
func PeakOf(*os.ProcessState) int64 { return 0 }

// FreeDisk returns ErrUnknown.
func FreeDisk(string) (int64, error) { return 0, ErrUnknown }
