package progress

import (
	"io"
	"math"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// bars shows a bar for each blob that is under way, and one for all. Those at
// their end rise above the others and stay.
type bars struct {
	size     Size
	progress *mpb.Progress

	mu    sync.Mutex
	total *mpb.Bar // nil if nothing is moved
	bytes int64
	left  map[oci.Digest]bool // blobs to be moved
	of    map[oci.Digest]*mpb.Bar
}

// Bars returns a display for a terminal.
func Bars(out io.Writer, size Size) Display {
	return &bars{
		size: size, left: map[oci.Digest]bool{}, of: map[oci.Digest]*mpb.Bar{},
		progress: mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.PopCompletedMode()),
	}
}

// style is that of all bars.
func style() mpb.BarStyleComposer {
	return mpb.BarStyle().Lbound("").Rbound("").Tip("█").Filler("█").Padding("░")
}

func (b *bars) Planned(p mirror.Plan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(p.Move) == 0 {
		return
	}
	b.bytes = p.Bytes()
	for _, d := range p.Move {
		b.left[d.Digest] = true
	}
	left := decor.OnCompleteOrOnAbort(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}), "")
	b.total = b.add("total", b.bytes, []decor.Decorator{left}, mpb.BarPriority(math.MaxInt), mpb.BarNoPop())
}

// add adds a bar that does not end by itself: all bytes of a blob may be there and
// yet have to be verified.
func (b *bars) add(name string, size int64, behind []decor.Decorator, options ...mpb.BarOption) *mpb.Bar {
	behind = append([]decor.Decorator{b.counter(size), decor.AverageSpeed(decor.SizeB1024(0), "  % .1f")}, behind...)
	bar := b.progress.New(0, style(), append(options,
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: 13, C: decor.DindentRight})),
		mpb.AppendDecorators(behind...))...)
	bar.SetTotal(size, false)
	return bar
}

// counter says how much of a size is there.
func (b *bars) counter(size int64) decor.Decorator {
	return decor.Any(func(s decor.Statistics) string {
		switch {
		case s.Aborted:
			return " " + b.size(s.Current) + " of " + b.size(size) + ", not done"
		case s.Completed:
			return " " + b.size(size)
		case s.Current >= size:
			return " " + b.size(size) + ", being verified"
		}
		return " " + b.size(s.Current) + " of " + b.size(size)
	})
}

func (b *bars) Moved(d oci.Descriptor, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bar, ok := b.of[d.Digest]
	if !ok {
		bar = b.add(short(d.Digest), d.Size, nil)
		b.of[d.Digest] = bar
	}
	bar.IncrInt64(n)
	if b.total != nil {
		b.total.IncrInt64(n)
	}
}

func (b *bars) Settled(d oci.Descriptor, _ transfer.Way) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.left, d.Digest)
	if bar, ok := b.of[d.Digest]; ok {
		bar.SetTotal(d.Size, true)
		delete(b.of, d.Digest)
	}
}

func (*bars) Placed(oci.Descriptor, []string) {}

// Write implements io.Writer.
func (b *bars) Write(p []byte) (int, error) { return b.progress.Write(p) }

// Close draws the bars for the last time.
func (b *bars) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bar := range b.of {
		bar.Abort(false)
	}
	if b.total != nil && len(b.left) == 0 {
		b.total.SetTotal(b.bytes, true)
	} else if b.total != nil {
		b.total.Abort(false)
	}
	b.progress.Wait()
}
