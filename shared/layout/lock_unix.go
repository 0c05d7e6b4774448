//go:build unix

package layout

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file for as long as it is open, and says whether it could:
// another process, or another opening of the file in this one, may have it. A
// process that is killed gives it up.
func tryLock(f *os.File) (bool, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var locked error
	err = conn.Control(func(fd uintptr) { locked = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil || errors.Is(locked, unix.EWOULDBLOCK) {
		return false, err
	}
	if locked != nil {
		return false, &os.PathError{Op: "lock", Path: f.Name(), Err: locked}
	}
	return true, nil
}
