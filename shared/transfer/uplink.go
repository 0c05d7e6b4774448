package transfer

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// uplink begins to send a stream.
func (r *Repository) uplink(ctx context.Context, size int64) (uplink, error) {
	begun, err := r.begin(ctx, direct.Begin{Blobs: []direct.Wanted{{Size: size}}})
	if errors.Is(err, errNoDirect) {
		p := &plainPush{r: r, w: silent{}}
		if err := p.begin(ctx); err != nil {
			return nil, err
		}
		return &plainLink{p, ctx}, nil
	}
	if err != nil {
		return nil, err
	}
	b := begun.Blobs[0]
	if b.State != direct.Upload || b.Upload.State != direct.Open {
		return nil, fmt.Errorf("%w: a stream in the state %s", errAnswer, b.State)
	}
	l := &directLink{upload: r.upload(oci.Descriptor{Size: size}, *b.Upload, &tally{w: silent{}})}
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.work, l.ctx = errgroup.WithContext(ctx)
	return l, nil
}

// A directLink sends the parts of a stream straight to the store.
type directLink struct {
	upload *upload
	ctx    context.Context // ends when a part fails, with why
	cancel context.CancelCauseFunc
	work   *errgroup.Group
	number int // of the last part
}

func (l *directLink) send(p []byte) error {
	l.number++
	budget := l.upload.r.engine.budget
	if err := context.Cause(l.ctx); err != nil {
		budget.put(p)
		return err
	}
	if l.number > direct.MaxNumber {
		budget.put(p)
		return fmt.Errorf("a stream of unknown size has room for %d parts", direct.MaxNumber)
	}
	number := l.number
	l.work.Go(func() error {
		defer budget.put(p)
		return l.upload.put(l.ctx, number, p, direct.Part{})
	})
	return nil
}

func (l *directLink) finish(ctx context.Context, d oci.Descriptor) (Way, error) {
	if err := l.wait(); err != nil {
		return "", err
	}
	return Direct, l.upload.complete(ctx, d)
}

// wait waits for all parts.
func (l *directLink) wait() error {
	err := l.work.Wait()
	l.cancel(errEnded)
	l.upload.signer.work.Wait()
	return err
}

func (l *directLink) abort(ctx context.Context) error {
	l.cancel(errEnded)
	_ = l.wait() // of what is given up
	return l.upload.r.giveUp(ctx, l.upload.at(""))
}

// A plainLink sends a stream through the registry, part by part.
type plainLink struct {
	push *plainPush
	ctx  context.Context
}

func (l *plainLink) send(p []byte) error {
	defer l.push.r.engine.budget.put(p)
	l.push.from = &window{l.push.d.Size, p}
	l.push.d.Size += int64(len(p))
	return l.push.send(l.ctx)
}

func (l *plainLink) finish(ctx context.Context, d oci.Descriptor) (Way, error) {
	l.push.d = d
	return Plain, l.push.finish(ctx)
}

func (l *plainLink) abort(ctx context.Context) error { return l.push.r.giveUp(ctx, l.push.at) }
