package progress

import (
	"fmt"
	"io"
	"sync"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// lines prints a line for each blob that is moved, when it is.
type lines struct {
	size Size

	mu  sync.Mutex
	out io.Writer
}

// Lines returns a display for logs of jobs: it says nothing twice.
func Lines(out io.Writer, size Size) Display { return &lines{size: size, out: out} }

func (l *lines) Planned(p mirror.Plan) {
	switch n := len(p.Move); n {
	case 0:
	case 1:
		fmt.Fprintf(l, "to be moved: 1 blob of %s\n", l.size(p.Bytes()))
	default:
		fmt.Fprintf(l, "to be moved: %d blobs of %s\n", n, l.size(p.Bytes()))
	}
}

func (*lines) Moved(oci.Descriptor, int64) {}

func (l *lines) Settled(d oci.Descriptor, how transfer.Way) {
	switch how {
	case transfer.There:
	case transfer.Mounted:
		fmt.Fprintf(l, "%s mounted\n", short(d.Digest))
	default:
		fmt.Fprintf(l, "%s %s moved, %s\n", short(d.Digest), l.size(d.Size), how)
	}
}

func (l *lines) Placed(d oci.Descriptor, tags []string) {
	for _, tag := range tags {
		fmt.Fprintf(l, "%s tagged %s\n", short(d.Digest), tag)
	}
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (*lines) Close() {}
