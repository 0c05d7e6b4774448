package layout

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback has the kernel begin to write a piece of a file to the disk,
// and does not wait. It is a hint: what goes wrong shows at the sync.
func startWriteback(f *os.File, offset, length int64) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_ = unix.SyncFileRange(int(fd), offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}
