package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// maxSources bounds how many repositories an anonymous mount tries.
const maxSources = 20

// Mount makes a blob of one repository a blob of another as well, without its
// bytes being sent again; from may be empty for any repository that has it and
// where the caller may read it. It returns oci.ErrBlobUnknown if there is none to
// mount; the client uploads then. Errors: oci.ErrDenied.
func (r *Registry) Mount(ctx context.Context, repo, from string, d oci.Digest) error {
	if err := r.rights.mayBegin(repo); err != nil {
		return err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	if _, err := r.StatBlob(ctx, repo, d); !hidden(err) {
		return err
	}
	return r.mountFrom(ctx, repo, from, d)
}

// mountFrom is Mount of what the caller does not see in the repository.
func (r *Registry) mountFrom(ctx context.Context, repo, from string, d oci.Digest) error {
	sources := []string{from}
	if from == "" {
		list := listing{partition: digestPartition(d), prefix: repoPrefix}
		if r.bound {
			list.shows = r.rights.pullsFrom
		}
		var err error
		if sources, _, err = r.names(ctx, list, "", maxSources); err != nil {
			return err
		}
	}
	for _, source := range sources {
		if source == repo {
			continue // what is here is not live, and one transaction has no two actions on it
		}
		err := decide(ctx, func() error { return r.mount(ctx, repo, source, d) })
		if !hidden(err) {
			return err
		}
	}
	return unknownBlob(from, d)
}

// hidden says whether an error means that the caller sees no such blob.
func hidden(err error) bool {
	return errors.Is(err, oci.ErrBlobUnknown) || errors.Is(err, oci.ErrDenied)
}

func (r *Registry) mount(ctx context.Context, repo, from string, d oci.Digest) error {
	source, err := r.For(r.rights.elsewhere(from)).shownBlob(ctx, from, d)
	if err != nil {
		return err
	}
	if !isLive(source) {
		return unknownBlob(from, d)
	}
	p, err := r.publication(ctx, repo, d, newBlob{
		size: source.Num(attrSize), inline: source.Bin(attrBody), object: source.Str(attrObject), shared: true,
	})
	if err != nil {
		return err
	}
	actions := append(p.actions, r.remember(repo, node{Digest: d})...)
	if len(actions) == 0 {
		return nil
	}
	if err := r.commit(ctx, append(actions, table.Check(source.Key, table.Equals(live)))...); err != nil {
		return err
	}
	r.reap(ctx, p.replaced)
	return nil
}

// A newBlob is what a blob item is to say.
type newBlob struct {
	size   int64
	inline []byte // the bytes
	object string // or where they are
	shared bool   // the object has other blob items already
}

// A publication is what makes a blob visible in a repository.
type publication struct {
	// actions do it; there are none if the blob is here already.
	actions []table.Action
	// replaced is the object of a blob whose deletion had begun. It is reaped
	// afterwards.
	replaced string
	// spare is the new object if the blob is here already, as another one.
	spare string
}

// publication reads what a new blob meets, and decides.
func (r *Registry) publication(ctx context.Context, repo string, d oci.Digest, b newBlob) (publication, error) {
	items, err := r.table.GetMany(ctx, []table.Key{blobKey(repo, d), repoKey(repo)})
	if err != nil {
		return publication{}, fmt.Errorf("read blob: %w", err)
	}
	old, here := items[blobKey(repo, d)]
	before := old.Str(attrObject)
	if here && isLive(old) {
		if before == b.object || b.shared {
			return publication{}, nil
		}
		return publication{spare: b.object}, nil
	}
	_, known := items[repoKey(repo)]
	seen := table.Absent()
	if here {
		seen = table.VersionIs(old.Version)
	}
	p := publication{actions: append(r.blobActions(repo, d, b, known), recount(b, before)...)}
	p.actions[0] = p.actions[0].When(seen)
	if before != b.object {
		p.replaced = before
	}
	return p, nil
}

// recount counts the object of a new blob item, and no longer that of the item
// it replaces.
func recount(b newBlob, before string) []table.Action {
	var actions []table.Action
	if b.object != "" && b.object != before {
		known := table.Absent()
		if b.shared {
			known = table.Exists()
		}
		actions = append(actions, table.Update(objectItemKey(b.object)).Adding(attrRefs, 1).When(known))
	}
	if before != "" && before != b.object {
		actions = append(actions, table.Update(objectItemKey(before)).Adding(attrRefs, -1).When(table.Exists()))
	}
	return actions
}

// blobActions are the items of a blob, its own first.
func (r *Registry) blobActions(repo string, d oci.Digest, b newBlob, known bool) []table.Action {
	now := table.N(attrPushed, r.now().Unix())
	where := table.B(attrBody, b.inline)
	if b.object != "" {
		where = table.S(attrObject, b.object)
	}
	actions := []table.Action{
		table.Put(blobKey(repo, d), live, table.N(attrSize, b.size), where, now),
		table.Put(digestKey(d, repo), now),
	}
	if !known {
		actions = append(actions, newRepo(repo, r.now(), r.rights.by()))
	}
	return actions
}
