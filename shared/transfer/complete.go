package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// A Verifier is a Watcher that is told how far the registry is with reading a blob
// again, where that takes a while: n bytes of it.
type Verifier interface {
	Watcher
	Verified(d oci.Descriptor, n int64)
}

// Bounds of the time between two questions about a verification.
const (
	soonest = 500 * time.Millisecond
	latest  = 5 * time.Second
)

// standstills is how often a verification that makes no progress is started anew.
const standstills = 10

// errVerifying is an upload whose end is not known yet.
var errVerifying = errors.New("the registry is still verifying the blob")

// complete ends an upload, and waits until its bytes have been verified.
func (u *upload) complete(ctx context.Context, d oci.Descriptor) error {
	var verified int64
	for range standstills {
		wait, err := u.conclude(ctx, d)
		if !errors.Is(err, errVerifying) {
			return err
		}
		before := verified
		verified, err = u.await(ctx, d, verified, wait)
		if !errors.Is(err, errVerifying) {
			return err
		}
		if verified == before {
			u.r.engine.log.InfoContext(ctx, "a verification makes no progress", "digest", d.Digest, "verified", verified)
		}
	}
	return fmt.Errorf("%w, and has come no further than %d bytes of %d", errVerifying, verified, d.Size)
}

// conclude asks the registry to end the upload, which it may be asked again and
// again. It returns errVerifying, and when to ask how far that is.
func (u *upload) conclude(ctx context.Context, d oci.Descriptor) (wait time.Duration, err error) {
	at := u.r.at(direct.Uploads + "/" + u.status.ID)
	err = u.r.engine.again(ctx, "complete an upload", func() error {
		c, err := jsonCall(http.MethodPut, at, direct.Complete{Digest: d.Digest, Size: d.Size})
		if err != nil {
			return err
		}
		resp, err := u.r.do(ctx, c, http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusAccepted)
		if err != nil {
			return err
		}
		discard(resp)
		if resp.StatusCode != http.StatusAccepted {
			return nil
		}
		wait = retryAfter(resp.Header, time.Now())
		return errVerifying
	})
	if isLostUpload(err) || refusedAs(err, errcode.ErrorCodeBlobUploadInvalid) {
		err = fmt.Errorf("%w: %w", errLost, err) // to begin anew says what is missing
	}
	return wait, err
}

// await asks how far a verification is, until it ends, or has made no progress
// for a while: that is errVerifying.
func (u *upload) await(ctx context.Context, d oci.Descriptor, verified int64, wait time.Duration) (int64, error) {
	for last := time.Now(); time.Since(last) < u.r.engine.pace.idle; wait = 2 * max(wait, soonest) {
		if err := sleep(ctx, u.r.engine.pace.question(wait)); err != nil {
			return verified, err
		}
		var s direct.Status
		if err := u.call(ctx, http.MethodGet, "", nil, &s); err != nil {
			return verified, err
		}
		switch {
		case s.State == direct.Done:
			return verified, nil
		case s.State == direct.Failed && s.Found != "":
			return verified, wrongBytes(d.Digest, s.Found)
		case s.State != direct.Verifying:
			return verified, fmt.Errorf("%w: its state is %.20q", errLost, s.State)
		case s.Verified > verified:
			verified, last = s.Verified, time.Now()
			if v, ok := u.moved.w.(Verifier); ok {
				v.Verified(d, verified)
			}
		}
	}
	return verified, errVerifying
}

// question is how long to wait before the next question about a verification.
func (p pace) question(asked time.Duration) time.Duration {
	return min(max(asked, min(soonest, p.idle/10)), latest, p.idle/2)
}

// abort gives up an upload that nobody will go on with.
func (u *upload) abort(ctx context.Context) error {
	at := u.r.at(direct.Uploads + "/" + u.status.ID)
	return u.r.engine.again(ctx, "give up an upload", func() error {
		resp, err := u.r.do(ctx, call{method: http.MethodDelete, url: at}, http.StatusNoContent, http.StatusOK, http.StatusAccepted, http.StatusNotFound)
		if err != nil {
			return fmt.Errorf("give up an upload: %w", err)
		}
		discard(resp)
		return nil
	})
}
