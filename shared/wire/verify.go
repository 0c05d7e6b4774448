package wire

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/berthregistry/berth/shared/registry"
)

// A Verification is the event that starts the function verify.
type Verification struct {
	Repository string `json:"repo"`
	Upload     string `json:"id"` // of a direct upload that is complete
}

// Verifier returns the function that verifies uploads which are too large to be
// verified while somebody waits. It makes no call.
//
// The same event may come twice, also at once. One that fails is Lambda's to
// send again. What does not end in the time of one invocation, some 50 GB that
// must be read, the function keeps a checkpoint of and leaves: whoever waits for
// the upload asks again to complete it, and that goes on from there. It does not
// invoke itself: then it would have to be allowed to, which is a circle in the
// template, and an upload that nobody waits for would be read to its end.
func Verifier(c Config, log *slog.Logger) func(context.Context, Verification) error {
	return verifier(registry.New(NewTable(c, log), newStore(c), registry.Options{}), log)
}

// verifier is all of a Verifier but its stores.
func verifier(reg *registry.Registry, log *slog.Logger) func(context.Context, Verification) error {
	return func(ctx context.Context, v Verification) error {
		begun := time.Now()
		ctx, cancel := inTime(ctx)
		defer cancel()
		if err := reg.VerifyDirect(ctx, v.Repository, v.Upload); err != nil {
			return fmt.Errorf("verify upload %s to %s: %w", v.Upload, v.Repository, err)
		}
		log.InfoContext(ctx, "verification", "repository", v.Repository, "upload", v.Upload, "took", time.Since(begun))
		return nil
	}
}
