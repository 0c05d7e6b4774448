package load

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// drop has the kernel throw bytes of a TCP connection away (MSG_TRUNC): no
// more than the length of sink at once, and nothing is written there. To copy
// them would take about as long as a good server needs to send them, and the
// figure would be one of this program.
func drop(conn net.Conn, sink []byte, size int64) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return dropCopy(conn, sink, size)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	for size > 0 {
		n, err := dropSome(raw, sink[:min(size, int64(len(sink)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

func dropSome(raw syscall.RawConn, sink []byte) (n int, err error) {
	waited := raw.Read(func(fd uintptr) bool {
		n, _, err = syscall.Recvfrom(int(fd), sink, syscall.MSG_TRUNC)
		return err != syscall.EAGAIN
	})
	switch {
	case waited != nil:
		return 0, waited
	case errors.Is(err, syscall.EINTR):
		return 0, nil
	case err != nil:
		return 0, os.NewSyscallError("recv", err)
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}
