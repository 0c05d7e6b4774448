package transfer

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/berthregistry/berth/shared/oci"
)

// Fetch brings the bytes of a blob from a Source to a Sink, and closes the Sink.
// It goes on after what the Sink has. When it returns nil the Sink has been
// committed, and its bytes are those of the digest; if they are not, the Sink has
// been reset and the error wraps oci.ErrDigestInvalid. The Watcher may be nil.
func (e *Engine) Fetch(ctx context.Context, d oci.Descriptor, from Source, to Sink, w Watcher) (err error) {
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
		return err
	}
	f := fetch{engine: e, d: d, from: from, to: to, w: orSilent(w)}
	err = f.run(ctx)
	if errors.Is(err, oci.ErrDigestInvalid) && f.had > 0 {
		// What an earlier attempt left may have been wrong.
		f.w.Moved(d, -d.Size)
		f.had = 0
		err = f.run(ctx)
	}
	if err != nil {
		return err
	}
	if err := to.Commit(); err != nil {
		return fmt.Errorf("keep %s: %w", d.Digest, err)
	}
	f.w.Settled(d, wayOf(from))
	return nil
}

// wayOf says which way bytes came, which only a remote Source knows.
func wayOf(from Source) Way {
	if s, ok := from.(interface{ way() Way }); ok {
		return s.way()
	}
	return Plain
}

// A fetch is one attempt to bring a blob.
type fetch struct {
	engine *Engine
	d      oci.Descriptor
	from   Source
	to     Sink
	w      Watcher
	had    int64 // what was in the sink before
}

// run brings what is not there yet, and verifies all.
func (f *fetch) run(ctx context.Context) error {
	algorithm := oci.AlgorithmOf(f.d.Digest)
	h := algorithm.Hash()
	if err := f.prefix(h); err != nil {
		return err
	}
	if err := f.rest(ctx, h); err != nil {
		return err
	}
	if got := algorithm.Digest(h); got != f.d.Digest {
		if err := f.to.Reset(); err != nil {
			return fmt.Errorf("forget what is wrong: %w", err)
		}
		return wrongBytes(f.d.Digest, got)
	}
	return nil
}

// prefix hashes what the sink has.
func (f *fetch) prefix(h hash.Hash) error {
	had, n, err := f.to.Prefix()
	if err != nil {
		return fmt.Errorf("read what is there of %s: %w", f.d.Digest, err)
	}
	if had == nil {
		return nil
	}
	defer had.Close()
	if n > f.d.Size {
		return f.to.Reset()
	}
	if _, err := io.CopyN(h, had, n); err != nil {
		return fmt.Errorf("read what is there of %s: %w", f.d.Digest, err)
	}
	f.had = n
	f.w.Moved(f.d, n)
	return nil
}

// rest brings the bytes after the prefix.
func (f *fetch) rest(ctx context.Context, h hash.Hash) error {
	r := f.engine.read(ctx, f.from, f.had, f.d.Size-f.had)
	defer r.close()
	for {
		p, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fetch %s: %w", f.d.Digest, err)
		}
		h.Write(p)
		_, err = f.to.Write(p)
		n := int64(len(p))
		r.release(p)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.d.Digest, err)
		}
		f.w.Moved(f.d, n)
	}
}
