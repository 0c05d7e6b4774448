package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// endWhenSilent has the kernel end a connection whose bytes have not been
// acknowledged for a while. It is a precaution: where it cannot be had, the
// connection is made nevertheless.
func endWhenSilent(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
	})
}
