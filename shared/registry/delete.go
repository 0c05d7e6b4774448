package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// DeleteManifest removes a manifest, every tag that names it, and its entry
// among the referrers of its subject. Its own referrers stay and are still
// counted: a stub remains as long as there are any. Indexes that list it
// become sparse. Errors: oci.ErrManifestUnknown, oci.ErrPrecondition,
// oci.ErrDenied.
func (r *Registry) DeleteManifest(ctx context.Context, repo string, d oci.Digest, pre Precondition) error {
	if err := r.rights.mayDelete(repo, "manifest"); err != nil {
		return err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	var object string
	err := decide(ctx, func() error {
		item, err := r.table.Get(ctx, manifestKey(repo, d))
		switch {
		case errors.Is(err, table.ErrAbsent) || err == nil && !isLive(item):
			return r.sight(repo, r.rights.Pull).missing(ctx, d)
		case err != nil:
			return fmt.Errorf("read manifest: %w", err)
		}
		if err := pre.check("manifest", d, false); err != nil {
			return err
		}
		object = item.Str(attrObject)
		return r.remove(ctx, repo, d, item)
	})
	if err != nil {
		return err
	}
	// A crash before this leaves an object that no item names.
	r.discard(ctx, object)
	return nil
}

// remove takes a manifest out with its tags and edges in one transaction. Edges
// that do not fit go behind: an edge without its parent is only in the way for a
// while. Tags that do not fit go ahead: a tag never names what is not there.
func (r *Registry) remove(ctx context.Context, repo string, d oci.Digest, item table.Item) error {
	body, err := r.body(ctx, item)
	if err != nil {
		return err
	}
	parsed, err := oci.ParseManifest(item.Str(attrMediaType), body)
	if err != nil {
		// It was let in when the rules were others. Its edges to its children
		// stay, and mean nothing without it.
		parsed = remembered(item)
	}
	core := []table.Action{unmake(item)}
	if s := parsed.Subject; s != nil {
		off, err := r.detach(ctx, repo, s.Digest, parsed.ArtifactType, d)
		if err != nil {
			return lostTo(err)
		}
		core = append(core, off...)
	}
	tags, err := r.tagsOf(ctx, repo, d)
	if err != nil {
		return err
	}
	var untag, edges []table.Action
	for _, tag := range tags {
		untag = append(untag, untagActions(repo, tag, d)...)
	}
	for _, c := range parsed.Children {
		edges = append(edges, table.Delete(parentKey(repo, c.Digest, string(d))))
	}
	for len(core)+len(untag) > table.MaxActions {
		n := min(len(untag), table.MaxActions) // even: pairs stay together
		// A crash here leaves the manifest with fewer tags.
		if err := r.commit(ctx, untag[:n]...); err != nil {
			return err
		}
		untag = untag[n:]
	}
	core = append(core, untag...)
	if len(core)+len(edges) <= table.MaxActions {
		return r.commit(ctx, append(core, edges...)...)
	}
	if err := r.commit(ctx, core...); err != nil {
		return err
	}
	r.cut(ctx, item.Key, edges)
	return nil
}

// remembered is what an item says of a manifest whose body cannot be read any
// more.
func remembered(item table.Item) oci.Manifest {
	m := oci.Manifest{ArtifactType: item.Str(attrArtifactType)}
	if s := item.Str(attrSubject); s != "" {
		m.Subject = &oci.Descriptor{Digest: oci.Digest(s)}
	}
	return m
}

// cut removes the edges of a manifest that is gone, as long as it is neither
// back nor arriving. The deletion is done; a failure leaves edges without their
// parent.
func (r *Registry) cut(ctx context.Context, manifest table.Key, edges []table.Action) {
	gone := table.Check(manifest, table.Lacks(attrState))
	for len(edges) > 0 {
		n := min(len(edges), table.MaxActions-1)
		if err := r.commit(ctx, append([]table.Action{gone}, edges[:n]...)...); err != nil {
			return
		}
		edges = edges[n:]
	}
}

// unmake removes a manifest's item as it was read, or makes it a stub if there
// are referrers to count. Who tags or attaches meanwhile changes the item, and
// the deletion is decided anew.
func unmake(item table.Item) table.Action {
	same := table.VersionIs(item.Version)
	if item.Num(attrReferrers) <= 0 {
		return table.Delete(item.Key).When(same)
	}
	return table.Update(item.Key).When(same).Unsetting(
		attrState, attrMediaType, attrSize, attrPushed, attrBody, attrObject, attrArtifactType, attrSubject, attrBy)
}

// tagsOf returns the tags that name a manifest.
func (r *Registry) tagsOf(ctx context.Context, repo string, d oci.Digest) ([]string, error) {
	var tags []string
	err := r.parents(ctx, repo, d, func(edge table.Item, parent string) bool {
		if !strings.Contains(parent, ":") {
			tags = append(tags, parent)
		}
		return true
	})
	return tags, err
}

// parents calls visit for every edge up from a child until it returns false.
func (r *Registry) parents(ctx context.Context, repo string, child oci.Digest, visit func(edge table.Item, parent string) bool) error {
	q := table.Query{Partition: repoPartition(repo), Prefix: parentPrefix(child)}
	for {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return fmt.Errorf("read parents: %w", err)
		}
		for _, edge := range page.Items {
			if !visit(edge, strings.TrimPrefix(edge.Sort, q.Prefix)) {
				return nil
			}
			q.After = edge.Sort
		}
		if !page.More {
			return nil
		}
	}
}
