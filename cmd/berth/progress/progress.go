// Package progress shows how far a copy is: as bars on a terminal, as lines
// where nobody looks, as JSON for programs.
package progress

import (
	"io"
	"os"

	"github.com/vbauerster/mpb/v8/cwriter"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
)

// A Display shows how far a copy is. What is written to it are whole lines, to
// be seen as well.
type Display interface {
	mirror.Watcher
	io.Writer
	// Close is called when the copy has come to its end, whichever. Nothing may be
	// called after it.
	Close()
}

// IsTerminal says whether somebody looks at w. A terminal without rows is that of
// a job, and shows nothing.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || !cwriter.IsTerminal(int(file.Fd())) {
		return false
	}
	_, rows, err := cwriter.GetSize(int(file.Fd()))
	return err == nil && rows > 0
}

// Size writes a number of bytes for people.
type Size func(n int64) string

// short is how blobs are called: by what tells them apart at a glance.
func short(d oci.Digest) string {
	const hash = 12
	encoded := d.Encoded()
	return encoded[:min(hash, len(encoded))]
}
