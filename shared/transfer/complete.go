package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

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
	err = u.r.engine.again(ctx, "complete an upload", func() error {
		c, err := jsonCall(http.MethodPut, u.at(""), direct.Complete{Digest: d.Digest, Size: d.Size})
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
	pace := u.r.engine.pace
	own := soonest
	for last := time.Now(); time.Since(last) < pace.idle; own = min(2*own, latest) {
		if err := sleep(ctx, min(max(wait, own), pace.idle/2)); err != nil {
			return verified, err
		}
		s, asked, err := u.ask(ctx)
		if err != nil {
			return verified, err
		}
		wait = asked
		switch {
		case s.State == direct.Done:
			return verified, nil
		case s.State == direct.Failed && s.Found != "":
			return verified, wrongBytes(d.Digest, s.Found)
		case s.State != direct.Verifying:
			return verified, fmt.Errorf("%w: its state is %.20q", errLost, s.State)
		case s.Verified > verified:
			verified, last = s.Verified, time.Now()
		}
	}
	return verified, errVerifying
}

// ask returns how far the upload is, and when to ask again.
func (u *upload) ask(ctx context.Context) (s direct.Status, wait time.Duration, err error) {
	at := u.at("")
	at.RawQuery = "after=" + strconv.Itoa(u.status.Next)
	err = u.r.engine.again(ctx, "ask how far an upload is", func() error {
		resp, err := u.r.do(ctx, call{method: http.MethodGet, url: at}, http.StatusOK)
		if err != nil {
			return err
		}
		wait = retryAfter(resp.Header, time.Now())
		return decode(resp, &s)
	})
	if isLostUpload(err) {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return s, wait, err
}
