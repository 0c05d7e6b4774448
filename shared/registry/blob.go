package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// maxInlineBlob is the largest blob kept in its item, in bytes: configs and
// signatures need no object.
const maxInlineBlob = 16 << 10

// attrRefs, on an object item, is how many blob items share the object.
const attrRefs = "refs"

// condemned is the state of a blob whose deletion has begun. It is still
// served, so whatever needs it stays whole if the deletion is called off, but
// nothing new may be built upon it, and a client that asks is told to upload.
var condemned = table.S(attrState, "condemned")

// A Blob is a blob as it is served.
type Blob struct {
	Digest oci.Digest
	Size   int64

	inline []byte
	object string
}

// Blob returns a blob for reading. It costs one item read; for who may pull some
// tags only, two more where their hints are a tag and the manifest that lists the
// blob, see also climb. Errors: oci.ErrBlobUnknown, oci.ErrDenied.
func (r *Registry) Blob(ctx context.Context, repo string, d oci.Digest) (Blob, error) {
	item, err := r.shownBlob(ctx, repo, d)
	return asBlob(d, item), err
}

// StatBlob returns a blob to a client that wants to know whether it must be
// uploaded. It costs as much as Blob. Errors: oci.ErrBlobUnknown, oci.ErrDenied.
func (r *Registry) StatBlob(ctx context.Context, repo string, d oci.Digest) (Blob, error) {
	item, err := r.shownBlob(ctx, repo, d)
	if err == nil && !isLive(item) {
		err = unknownBlob(repo, d)
	}
	return asBlob(d, item), err
}

// OpenBlob opens the bytes of a blob. Errors: oci.ErrBlobUnknown if it was
// deleted meanwhile.
func (r *Registry) OpenBlob(ctx context.Context, b Blob) (io.ReadSeekCloser, error) {
	if b.object == "" {
		return inline{bytes.NewReader(b.inline)}, nil
	}
	f, err := r.blobs.Open(ctx, b.object, b.Size)
	if errors.Is(err, blobs.ErrAbsent) {
		return nil, oci.ErrBlobUnknown.With(nil, "the blob was deleted a moment ago")
	}
	return f, err
}

// BlobURL returns a URL at the blob store under which method, GET or HEAD, of
// the blob works without credentials for a while, or "" if there is none: the
// store has no such URLs, or the blob is kept in its item.
func (r *Registry) BlobURL(ctx context.Context, b Blob, method string, valid time.Duration) (string, error) {
	locator, ok := r.blobs.(blobs.Locator)
	if !ok || b.object == "" {
		return "", nil
	}
	return locator.ReadURL(ctx, b.object, method, valid)
}

type inline struct{ *bytes.Reader }

func (inline) Close() error { return nil }

func asBlob(d oci.Digest, item table.Item) Blob {
	return Blob{Digest: d, Size: item.Num(attrSize), inline: item.Bin(attrBody), object: item.Str(attrObject)}
}

// shownBlob returns the item of a blob that the caller may read: one in sight, or
// one that they have sent.
func (r *Registry) shownBlob(ctx context.Context, repo string, d oci.Digest) (table.Item, error) {
	if err := r.rights.mayRead(repo); err != nil {
		return table.Item{}, err
	}
	s := r.sight(repo, r.rights.Pull)
	item, err := s.get(ctx, blobKey(repo, d))
	if err != nil {
		return table.Item{}, fmt.Errorf("read blob: %w", err)
	}
	if shown, err := s.showsBlob(ctx, d, item); err != nil || !shown {
		return table.Item{}, cmp.Or(err, r.rights.unseen(repo, unknownBlob(repo, d)))
	}
	return item, nil
}

// showsBlob says whether there is a blob and the caller may read it.
func (s *sight) showsBlob(ctx context.Context, d oci.Digest, item table.Item) (bool, error) {
	n := node{Digest: d}
	if item.Sort == "" || s.from.All() {
		return item.Sort != "", nil
	}
	if err := s.near(ctx, n); err != nil || s.sees(n) {
		return err == nil, err
	}
	// To look this up is cheaper than to climb.
	if sent, err := s.sent(ctx, s.repo, n); err != nil || sent[n] {
		return err == nil, err
	}
	return s.has(ctx, n)
}

func (r *Registry) blob(ctx context.Context, repo string, d oci.Digest) (table.Item, error) {
	item, err := r.table.Get(ctx, blobKey(repo, d))
	switch {
	case errors.Is(err, table.ErrAbsent):
		return item, unknownBlob(repo, d)
	case err != nil:
		return item, fmt.Errorf("read blob: %w", err)
	}
	return item, nil
}

func unknownBlob(repo string, d oci.Digest) error {
	return oci.ErrBlobUnknown.With(map[string]string{"digest": string(d)}, "no blob %s in %s", d, repo)
}

// edgeYouth is how long an edge keeps its child from deletion though its parent
// is not there: a large manifest may be on its way, see spill. It is well above
// the time that settle allows and any difference of clocks.
const edgeYouth = 15 * time.Minute

// DeleteBlob removes a blob from a repository, unless a manifest there needs
// it. Errors: oci.ErrBlobUnknown, oci.ErrInUse, oci.ErrDenied.
//
// The blob is first condemned, then its parents are looked for. A manifest push
// at the same moment either committed before, and its edge is found, or finds
// the blob condemned and is refused. A crash in between leaves the blob
// condemned: served, but uploaded anew by the next push that needs it. So that a
// deletion which is refused disturbs nobody, its parents are looked for before
// as well.
func (r *Registry) DeleteBlob(ctx context.Context, repo string, d oci.Digest) error {
	if err := r.rights.mayDelete(repo, "blob"); err != nil {
		return err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	var object string
	err := decide(ctx, func() error {
		item, err := r.blob(ctx, repo, d)
		if err != nil {
			return err
		}
		if err := r.unneeded(ctx, repo, d); err != nil {
			if !isLive(item) { // a deletion before this one crashed
				err = errors.Join(err, r.reprieve(ctx, item.Key, table.VersionIs(item.Version)))
			}
			return err
		}
		mine, err := r.condemn(ctx, item)
		if err != nil {
			return err
		}
		if err := r.unneeded(ctx, repo, d); err != nil {
			return errors.Join(err, r.reprieve(ctx, item.Key, mine))
		}
		object = item.Str(attrObject)
		return r.commit(ctx, forget(item, mine, repo, d)...)
	})
	if err != nil {
		return err
	}
	r.reap(ctx, object)
	return nil
}

// condemn begins the deletion of a blob and returns the condition under which
// it may go on: nobody has brought the blob back since, perhaps as another
// object and with new parents, or condemned it as well.
func (r *Registry) condemn(ctx context.Context, item table.Item) (table.Condition, error) {
	tx := table.Tx{
		Token:   table.NewToken(),
		Actions: []table.Action{table.Update(item.Key, condemned).When(table.VersionIs(item.Version))},
	}
	return table.VersionIs(tx.Token), r.send(ctx, tx)
}

// reprieve calls off a deletion that has come as far as mine says.
func (r *Registry) reprieve(ctx context.Context, key table.Key, mine table.Condition) error {
	// What stopped the deletion, its deadline too, must not keep it half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	err := r.commit(ctx, table.Update(key, live).When(mine))
	if table.LostRace(err) {
		return nil // it was uploaded anew, or somebody else deletes it
	}
	return err
}

// unneeded fails with oci.ErrInUse if a manifest needs the blob.
func (r *Registry) unneeded(ctx context.Context, repo string, d oci.Digest) error {
	q := table.Query{Partition: repoPartition(repo), Prefix: parentPrefix(d), Limit: table.MaxKeys}
	for {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("read parents: %w", err)
		}
		parent, err := r.needing(ctx, repo, q.Prefix, page.Items)
		if err != nil {
			return err
		}
		if parent != "" {
			if !r.rights.Pull.All() {
				return oci.ErrInUse.With(nil, "blob %s is part of a manifest, or is about to be", d)
			}
			return oci.ErrInUse.With(map[string]string{"manifest": parent},
				"blob %s is part of manifest %s, or is about to be: delete that first", d, parent)
		}
		if !page.More {
			return nil
		}
		q.After = page.Items[len(page.Items)-1].Sort
	}
}

// needing returns a parent that its edge says is young, or that is live, or "".
func (r *Registry) needing(ctx context.Context, repo, prefix string, edges []table.Item) (string, error) {
	oldest := r.now().Add(-edgeYouth).Unix()
	var parents []table.Key
	for _, edge := range edges {
		parent := strings.TrimPrefix(edge.Sort, prefix)
		if edge.Num(attrPushed) > oldest {
			return parent, nil
		}
		parents = append(parents, manifestKey(repo, oci.Digest(parent)))
	}
	items, err := r.many(ctx, parents)
	for key, item := range items {
		if isLive(item) {
			return string(manifestOf(key)), nil
		}
	}
	return "", err
}

// forget removes a blob item on a condition, and what points to it.
func forget(item table.Item, c table.Condition, repo string, d oci.Digest) []table.Action {
	actions := []table.Action{table.Delete(item.Key).When(c), table.Delete(digestKey(d, repo))}
	if object := item.Str(attrObject); object != "" {
		actions = append(actions, table.Update(objectItemKey(object)).Adding(attrRefs, -1).When(table.Exists()))
	}
	return actions
}
