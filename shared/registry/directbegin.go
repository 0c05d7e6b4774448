package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

const (
	// beginning is how many blobs of one Begin are looked after at once.
	beginning = 16
	// listed bounds the parts that the answer to one Begin lists of all uploads
	// that it goes on with. Whoever needs more asks for the status.
	listed = 4000
)

// BeginDirect says what is to be done about some blobs: nothing about those that
// the caller sees here, as StatBlob has it, or that can be mounted, as Mount has
// it. For the others it begins an upload, or goes on with the one that the same
// caller began before. What b holds is well formed. Errors: oci.ErrDenied,
// oci.ErrUnsupported, oci.ErrSizeInvalid, oci.ErrTooLarge.
func (r *Registry) BeginDirect(ctx context.Context, repo string, b direct.Begin) (direct.Begun, error) {
	if err := r.rights.mayBegin(repo); err != nil {
		return direct.Begun{}, err
	}
	if _, err := r.direct(); err != nil {
		return direct.Begun{}, err
	}
	ctx, cancel := unbroken(ctx)
	defer cancel()
	here, err := r.here(ctx, repo, b)
	if err != nil {
		return direct.Begun{}, err
	}
	out := direct.Begun{Blobs: make([]direct.Blob, len(b.Blobs)), Manifests: make([]direct.Manifest, len(b.Manifests))}
	for i, d := range b.Manifests {
		out.Manifests[i] = direct.Manifest{Digest: d, Present: here[node{d, true}]}
	}
	var missing []int
	for i, w := range b.Blobs {
		out.Blobs[i] = direct.Blob{Digest: w.Digest, Size: w.Size, State: direct.Present}
		if !here[node{Digest: w.Digest}] {
			missing = append(missing, i)
		}
	}
	c := courier{r, repo, max(1, listed/max(1, len(missing)))}
	err = sideBySide(ctx, missing, func(ctx context.Context, i int) (err error) {
		out.Blobs[i].State, out.Blobs[i].Upload, err = c.bring(ctx, b.Blobs[i])
		return err
	})
	if err != nil {
		return direct.Begun{}, err
	}
	return out, nil
}

// sideBySide does something for each of several blobs.
func sideBySide(ctx context.Context, which []int, do func(context.Context, int) error) error {
	if len(which) == 1 {
		return do(ctx, which[0])
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(beginning)
	for _, i := range which {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// here says what the caller sees of all that a Begin names, as StatBlob and
// StatManifest would, one by one.
func (r *Registry) here(ctx context.Context, repo string, b direct.Begin) (map[node]bool, error) {
	nodes := map[table.Key]node{}
	var keys []table.Key
	for _, w := range b.Blobs {
		if w.Digest != "" {
			keys = append(keys, blobKey(repo, w.Digest))
			nodes[keys[len(keys)-1]] = node{Digest: w.Digest}
		}
	}
	for _, d := range b.Manifests {
		keys = append(keys, manifestKey(repo, d))
		nodes[keys[len(keys)-1]] = node{d, true}
	}
	items, err := r.items(ctx, unique(keys), attrState)
	if err != nil {
		return nil, fmt.Errorf("read what is here: %w", err)
	}
	var found []node
	for _, key := range unique(keys) {
		if isLive(items[key]) {
			found = append(found, nodes[key])
		}
	}
	return r.shown(ctx, repo, found)
}

// shown says which of these nodes, which are here, the caller may read: those in
// sight, and those that they have sent.
func (r *Registry) shown(ctx context.Context, repo string, nodes []node) (map[node]bool, error) {
	s := r.sight(repo, r.rights.Pull)
	shown, err := r.sent(ctx, repo, nodes...)
	if err != nil {
		return nil, err
	}
	if err := s.hint(ctx); err != nil {
		return nil, err
	}
	if err := s.near(ctx, nodes...); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if !shown[n] {
			if shown[n], err = s.has(ctx, n); err != nil {
				return nil, err
			}
		}
	}
	return shown, nil
}

// A courier looks after blobs of one Begin.
type courier struct {
	*Registry
	repo string
	list int // parts of each upload
}

// bring says how a blob that is not here comes here.
func (c courier) bring(ctx context.Context, w direct.Wanted) (direct.State, *direct.Status, error) {
	if w.Digest != "" {
		if err := c.mountFrom(ctx, c.repo, w.From, w.Digest); !hidden(err) {
			return direct.Mounted, nil, err
		}
	}
	switch {
	case w.Size > direct.MaxSize:
		return "", nil, oci.ErrTooLarge.With(map[string]int64{"limit": direct.MaxSize}, "a blob of %d bytes is too large", w.Size)
	case w.Size < 0 && w.Digest != "":
		return "", nil, oci.ErrSizeInvalid.With(nil, "the size of %s is not given", w.Digest)
	case w.Size >= 0 && w.Size <= c.measures.small:
		return direct.Small, nil, nil
	}
	return c.begin(ctx, w)
}

// begin goes on with the caller's upload of a blob, or begins one. If one was done
// since it was looked at what is here, there is nothing to do.
func (c courier) begin(ctx context.Context, w direct.Wanted) (direct.State, *direct.Status, error) {
	id := c.deliveryID(w.Digest)
	var s direct.Status
	state := direct.Upload
	err := decide(ctx, func() error {
		old, err := c.lastDelivery(ctx, c.repo, id)
		if err != nil {
			return err
		}
		if old.state == direct.Done {
			if _, err := c.StatBlob(ctx, c.repo, w.Digest); !hidden(err) {
				state = direct.Present
				return err
			}
		}
		if old.goesOn(w, c.now()) {
			s, err = c.resume(ctx, old)
			if !errors.Is(err, blobs.ErrUploadLost) {
				return err
			}
		}
		s, err = c.anew(ctx, old, w)
		return err
	})
	if err != nil || state != direct.Upload {
		return state, nil, err
	}
	return state, &s, nil
}

// goesOn says whether an upload is one of this blob, and takes parts or is being
// verified. Of two sizes that are told of one digest, the later counts.
func (d delivery) goesOn(w direct.Wanted, now time.Time) bool {
	if d.expires.Before(now) {
		return false
	}
	return d.state == direct.Verifying || d.state == direct.Open && d.size == w.Size
}

// resume is the answer to who goes on with an upload: how far it is. They have time
// to find what is missing. Errors wrap blobs.ErrUploadLost.
func (c courier) resume(ctx context.Context, d delivery) (direct.Status, error) {
	if d.state != direct.Open {
		return d.status(), nil
	}
	s, err := c.offer(ctx, d)
	if err != nil {
		return s, err
	}
	parts, more, err := d.received(ctx, 0)
	if err != nil {
		return s, err
	}
	s.Received, s.Next = page(parts, more, c.list)
	return s, c.renew(ctx, d)
}

// anew begins an upload in the place of one that is over, if there was one.
func (c courier) anew(ctx context.Context, old delivery, w direct.Wanted) (direct.Status, error) {
	d := delivery{
		store: old.store, repo: c.repo, id: old.id, version: old.version, state: direct.Open, by: c.sender(), name: clipBy(c.rights.By),
		digest: w.Digest, size: w.Size, partSize: c.measures.partSize(w.Size), object: blobObject(c.repo, uuid.NewString()),
		begun: c.now(),
	}
	if d.size < 0 || d.size > d.partSize || d.digest == "" || oci.AlgorithmOf(d.digest) != oci.SHA256 {
		// Otherwise the blob is one PUT, which the store holds to the digest.
		var err error
		if d.multipart, err = d.store.BeginParts(ctx, d.object); err != nil {
			return direct.Status{}, fmt.Errorf("begin upload: %w", err)
		}
	}
	// A crash here leaves an upload of no parts that nobody knows of, for the
	// store's broom.
	err := c.commit(ctx, c.deliver(d))
	switch {
	case table.LostRace(err):
		c.abandon(ctx, d)
		return direct.Status{}, err
	case err != nil:
		return direct.Status{}, fmt.Errorf("begin upload: %w", err)
	}
	// A crash here leaves what the old upload had, marked.
	c.abandon(ctx, old)
	return c.offer(ctx, d)
}

// abandon removes what a direct upload has in the blob store that no item names
// any more. Failing that, the store's broom will: all of it is marked.
func (r *Registry) abandon(ctx context.Context, d delivery) {
	if d.object != "" {
		_ = r.blobs.Abort(ctx, blobs.Upload{Key: d.object})
	}
}

// offer is the status of an upload that takes parts, with where the only one goes
// if that can be said already.
func (r *Registry) offer(ctx context.Context, d delivery) (direct.Status, error) {
	s := d.status()
	if d.multipart != "" {
		return s, nil
	}
	whole, err := r.target(ctx, d, direct.Part{Number: 1, Size: d.size, SHA256: d.digest.Encoded()})
	whole.Number = 0
	s.Put = &whole
	return s, err
}
