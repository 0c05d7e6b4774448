package mirror

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tries is how often a request about a manifest is made where its connection is
// cut. What a registry answers is tried again by the repository's client.
const tries = 5

// firstWait is before the second try; before each further one it is twice as
// long.
const firstWait = 200 * time.Millisecond

// again calls do until its connection holds.
func again(ctx context.Context, do func() error) error {
	for n, wait := 1, firstWait; ; n, wait = n+1, 2*wait {
		err := do()
		if err == nil || n == tries || !isCut(err) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// broken is what net/http says of an answer that ends within its header. It has
// no value that could be compared.
const broken = "transport connection broken"

// isCut says whether a connection ended early.
func isCut(err error) bool {
	return err != nil && strings.Contains(err.Error(), broken) || slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}, func(cut error) bool {
		return errors.Is(err, cut)
	})
}
