package transfer

import (
	"context"
	"io"
	"net/url"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/berthregistry/berth/shared/oci"
)

// Blob returns the bytes of a blob of the repository. Nothing is asked for until
// they are read. Where the registry sends elsewhere for them, it is asked once,
// and again when that is no longer good.
//
// Bytes are not verified, and no header is believed: see Fetch.
func (r *Repository) Blob(_ context.Context, d oci.Descriptor) (Source, error) {
	if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
		return nil, err
	}
	return &remoteBlob{r: r, d: d, asking: semaphore.NewWeighted(1)}, nil
}

// A remoteBlob is a blob of a registry.
type remoteBlob struct {
	r *Repository
	d oci.Descriptor

	asking  *semaphore.Weighted // one at a time finds out where the bytes are
	refused int                 // places in a row that were no good from the first; for who asks

	mu    sync.Mutex
	found bool     // whether it is known where the bytes are
	place *url.URL // nil: at the registry itself
	whole bool     // there are no ranges to be had
	first *opened  // the answer that told so, to be read
	at    *opened  // where a blob without ranges is being read
}

// An opened is an answer that is to be read from off on.
type opened struct {
	off  int64
	body io.ReadCloser
}

// start finds out whether several may read at once. What it is told comes first:
// the bytes that are about to be read, from off on.
func (b *remoteBlob) start(ctx context.Context, off, n int64) (ranged bool, err error) {
	b.mu.Lock()
	found, whole := b.found, b.whole
	b.mu.Unlock()
	if found || n == 0 {
		return !whole, nil
	}
	err = b.r.engine.again(ctx, "open a blob", func() error {
		first, err := b.get(ctx, off, n)
		if err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		ranged = first.off == off && !b.whole
		if ranged {
			keep(&b.first, first)
		} else {
			keep(&b.at, first)
		}
		return nil
	})
	return ranged, err
}

// ReadPart is of Source.
func (b *remoteBlob) ReadPart(ctx context.Context, off int64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	ranged, err := b.start(ctx, off, int64(len(p)))
	if err != nil {
		return err
	}
	read := b.readRange
	if !ranged {
		read = b.readOn
	}
	done := 0
	return b.r.engine.onwards(ctx, "fetch", func() (bool, error) {
		before := done
		err := in(ctx, b.r.engine.fetches, func() error {
			n, err := read(ctx, off+int64(done), p[done:])
			done += n
			return err
		})
		return done > before, err
	})
}

// readRange reads a range by an answer of its own.
func (b *remoteBlob) readRange(ctx context.Context, off int64, p []byte) (int, error) {
	b.mu.Lock()
	from := b.first
	if from != nil && from.off == off {
		b.first = nil
	} else {
		from = nil
	}
	b.mu.Unlock()
	if from == nil {
		var err error
		if from, err = b.get(ctx, off, int64(len(p))); err != nil {
			return 0, err
		}
	}
	defer from.body.Close()
	if err := skip(from, off); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(from.body, p)
	return n, early(err)
}

// readOn reads from the one answer there is, and begins a new one where it must.
// One at a time does, and well if they come in order.
func (b *remoteBlob) readOn(ctx context.Context, off int64, p []byte) (n int, err error) {
	b.mu.Lock()
	at := b.at
	b.at = nil
	b.mu.Unlock()
	if at != nil && at.off > off {
		_ = at.body.Close() // it is behind what is wanted
		at = nil
	}
	if at == nil {
		if at, err = b.get(ctx, off, b.d.Size-off); err != nil {
			return 0, err
		}
	}
	if err = skip(at, off); err == nil {
		n, err = io.ReadFull(at.body, p)
		at.off += int64(n)
	}
	if err != nil {
		_ = at.body.Close()
		return n, early(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	keep(&b.at, at)
	return n, nil
}

// keep puts an answer where it is found, in place of what is there.
func keep(to **opened, o *opened) {
	if *to != nil {
		_ = (*to).body.Close()
	}
	*to = o
}

// skip reads up to off.
func skip(at *opened, off int64) error {
	n, err := io.CopyN(io.Discard, at.body, off-at.off)
	at.off += n
	return early(err)
}

// early says of a body that ended that it should not have.
func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errShort
	}
	return err
}

// Close is of Source.
func (b *remoteBlob) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range []*opened{b.first, b.at} {
		if o != nil {
			_ = o.body.Close()
		}
	}
	b.first, b.at = nil, nil
	return nil
}

// way says where the bytes came from.
func (b *remoteBlob) way() Way {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.place != nil {
		return Direct
	}
	return Plain
}
