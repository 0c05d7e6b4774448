package layout

import (
	"os"

	"golang.org/x/sys/unix"
)

// hasHole says whether a part of a file of this size, which is not 0, was never
// written. Where the file system does not tell, none is.
func hasHole(f *os.File, size int64) bool {
	at, err := f.Seek(0, unix.SEEK_HOLE)
	return err == nil && at < size
}
