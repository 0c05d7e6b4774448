package registry

import (
	"cmp"
	"context"
	"errors"
	"hash"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// A Registry is a set of repositories. It keeps nothing between calls but its
// stores and settings, and is safe for concurrent use, also by many processes
// on the same stores.
type Registry struct {
	table  table.Store
	blobs  blobs.Store
	rules  func(repo string) Rules
	limits Limits
	now    func() time.Time

	later    func(ctx context.Context, repo, id string) error // Options.Verify
	inline   int64                                            // verified by who completes, up to as many bytes
	partLife time.Duration
	measures measures
	hash     func(oci.Algorithm) hash.Hash // for what is verified; only tests have another

	rights Rights
	bound  bool // by For
	wide   int  // more parents than that are worth a glance at the tags
}

// Options are the settings of a registry. The zero value is usable.
type Options struct {
	// Rules returns the rules of a repository; it is asked at each request.
	// Nil stands for the zero Rules everywhere.
	Rules func(repo string) Rules
	// Limits are DefaultLimits where zero.
	Limits Limits
	// Now is time.Now where nil.
	Now func() time.Time

	// Verify has VerifyDirect called for an upload, in the background and
	// perhaps elsewhere; it returns when that is on its way. Where nil, all is
	// verified before CompleteDirect returns.
	Verify func(ctx context.Context, repo, id string) error
	// VerifyInline is the size in bytes up to which CompleteDirect verifies by
	// itself all the same: 256 MiB where zero.
	VerifyInline int64
	// PartLife is how long the URL works that a part goes to: an hour where zero.
	PartLife time.Duration
}

// New returns a registry on these stores, which does what it is asked: see For.
func New(t table.Store, b blobs.Store, o Options) *Registry {
	r := &Registry{
		table: t, blobs: b, rules: o.Rules, limits: o.Limits, now: o.Now,
		later: o.Verify, inline: cmp.Or(o.VerifyInline, 256<<20), partLife: cmp.Or(o.PartLife, time.Hour),
		measures: usualMeasures, hash: oci.Algorithm.Hash,
		rights: everything(), wide: abreast,
	}
	if r.rules == nil {
		r.rules = func(string) Rules { return Rules{} }
	}
	if r.limits.ManifestSize == 0 {
		r.limits.ManifestSize = DefaultLimits.ManifestSize
	}
	if r.limits.TagsPerPush == 0 {
		r.limits.TagsPerPush = DefaultLimits.TagsPerPush
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// Limits returns the limits in force.
func (r *Registry) Limits() Limits { return r.limits }

// Rules returns the rules of a repository.
func (r *Registry) Rules(repo string) Rules { return r.rules(repo) }

// commit makes the actions happen as one; see table.Send.
func (r *Registry) commit(ctx context.Context, actions ...table.Action) error {
	return r.send(ctx, table.Tx{Token: table.NewToken(), Actions: actions})
}

func (r *Registry) send(ctx context.Context, tx table.Tx) error { return table.Send(ctx, r.table, tx) }

// refused says whether an error is the answer of a rule, which nothing happened
// behind.
func refused(err error) bool {
	var one *oci.Error
	return table.Known(err) || errors.As(err, &one)
}

// rounds bounds how often a decision is made anew after a lost race. Among 32
// writers of one tag one wins in every round.
const rounds = 100

// decide runs step, which reads and then commits, until it loses no race.
func decide(ctx context.Context, step func() error) error {
	for n := 1; n <= rounds; n++ {
		if err := step(); !table.LostRace(err) {
			return err
		}
		if err := table.Pause(ctx, n); errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			return err
		}
	}
	return oci.ErrTooManyRequests.With(nil, "too many changes of the same content at once, try again")
}

const settleTime = time.Minute

// settle returns a context for writes that follow a body: once the bytes are
// here, a client that hangs up no longer stops them, but time does.
func settle(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(settleTime)
	if set, ok := ctx.Deadline(); ok && set.Before(end) {
		end = set
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

// unbroken returns a context that a client who hangs up does not end. Time that
// was set for the request does: a function is killed soon after.
func unbroken(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(context.WithoutCancel(ctx), end)
	}
	return context.WithCancel(context.WithoutCancel(ctx))
}
