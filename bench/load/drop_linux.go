package load

import (
	"cmp"
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
	for low := int64(0); size > 0; {
		if next := min(size, lowWater); next != low {
			if err := wakeAt(raw, int(next)); err != nil {
				return err
			}
			low = next
		}
		n, err := dropSome(raw, sink[:min(size, int64(len(sink)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return wakeAt(raw, 1)
}

// lowWater is how many bytes of a body are waited for at once, so that this
// program is not woken for each packet: on a network card, which gathers
// interrupts, it would not be either.
const lowWater = 256 << 10

// wakeAt sets how many bytes must be there for a read to be worth while.
func wakeAt(raw syscall.RawConn, bytes int) (err error) {
	controlled := raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes))
	})
	return cmp.Or(controlled, err)
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
