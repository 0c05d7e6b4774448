package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// maxList bounds the names of one page of tags or repositories, in bytes. Only
// lists beyond it are paged against the client's wish: some clients do not
// follow links.
const maxList = 4 << 20

// Tags lists up to n tags after one, in byte order, and says whether there are
// more. A negative n stands for all that fit one answer. Tags that the caller may
// not pull are not there. Errors: oci.ErrNameUnknown, oci.ErrDenied.
func (r *Registry) Tags(ctx context.Context, repo, after string, n int) ([]string, bool, error) {
	pull := r.rights.Pull
	if err := r.rights.mayPull(repo); err != nil {
		return nil, false, err
	}
	list := listing{partition: repoPartition(repo), prefix: tagPrefix}
	if !pull.All() {
		list.shows = pull.Has
	}
	tags, more, err := r.names(ctx, list, after, n)
	if err != nil || len(tags) > 0 {
		return tags, more, err
	}
	// An empty list is the only one that does not prove the repository.
	_, err = r.table.Get(ctx, repoKey(repo))
	if errors.Is(err, table.ErrAbsent) {
		return nil, false, oci.ErrNameUnknown.With(map[string]string{"name": repo}, "no repository %s", repo)
	}
	return tags, false, err
}

// Repositories lists up to n repositories after one, like Tags: those of which
// something may be pulled.
func (r *Registry) Repositories(ctx context.Context, after string, n int) ([]string, bool, error) {
	list := listing{partition: reposPartition, prefix: repoPrefix}
	if r.bound {
		if r.rights.Elsewhere == nil {
			return nil, false, denied("no right to list repositories")
		}
		list.shows = r.rights.pullsFrom
	}
	return r.names(ctx, list, after, n)
}

// A listing is what comes behind prefix in the sort keys of a partition.
type listing struct {
	partition, prefix string
	shows             func(name string) bool // nil for all
}

// names lists up to n of a listing.
func (r *Registry) names(ctx context.Context, l listing, after string, n int) (names []string, more bool, err error) {
	q := table.Query{Partition: l.partition, Prefix: l.prefix}
	if after != "" {
		q.After = l.prefix + after
	}
	if l.shows != nil {
		return r.someNames(ctx, l, q, n)
	}
	size := 0
	for more = true; more && len(names) != n && size < maxList; {
		q.Limit = max(n-len(names), 0)
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return nil, false, fmt.Errorf("list %s: %w", l.partition, err)
		}
		for _, item := range page.Items {
			names = append(names, strings.TrimPrefix(item.Sort, l.prefix))
			size += len(item.Sort)
			q.After = item.Sort
		}
		more = page.More
	}
	return names, more && n != 0, nil
}

// someNames is names where not all are shown. It reads on until it knows whether
// there is one more to show: else `more` would tell of what is not.
func (r *Registry) someNames(ctx context.Context, l listing, q table.Query, n int) (names []string, more bool, err error) {
	if n == 0 {
		return nil, false, nil
	}
	for size := 0; ; {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return nil, false, fmt.Errorf("list %s: %w", l.partition, err)
		}
		for _, item := range page.Items {
			q.After = item.Sort
			name := strings.TrimPrefix(item.Sort, l.prefix)
			if !l.shows(name) {
				continue
			}
			if len(names) == n || size >= maxList {
				return names, true, nil
			}
			names = append(names, name)
			size += len(item.Sort)
		}
		if !page.More {
			return names, false, nil
		}
	}
}

// A Precondition is what a client demands of the present state of what it
// changes (RFC 9110, section 13.1). The zero value demands nothing.
type Precondition struct {
	// Match lists digests of which one must be the present one.
	Match []oci.Digest
	// MatchAny demands that there is something.
	MatchAny bool
	// NoneMatch demands that there is nothing.
	NoneMatch bool
}

// check holds the precondition to the present digest, "" for none. It says the
// digest only where that is not hidden.
func (p Precondition) check(what string, present oci.Digest, hidden bool) error {
	ok := !p.NoneMatch || present == ""
	if p.MatchAny {
		ok = ok && present != ""
	} else if len(p.Match) > 0 {
		ok = ok && slices.Contains(p.Match, present)
	}
	switch {
	case ok:
		return nil
	case present == "":
		return oci.ErrPrecondition.With(nil, "%s does not exist", what)
	case hidden:
		return oci.ErrPrecondition.With(nil, "%s exists", what)
	}
	return oci.ErrPrecondition.With(map[string]string{"digest": string(present)}, "%s is at %s", what, present)
}

// tagActions point a tag from one digest, "" if it is new, to the manifest. They
// hold only if nobody moved the tag since it was read.
func (in *incoming) tagActions(tag string, from oci.Digest, now int64) []table.Action {
	repo, to, seen := in.Repo, in.digest, table.Absent()
	if from != "" {
		seen = table.Equals(table.S(attrDigest, string(from)))
	}
	put := table.Put(tagKey(repo, tag), table.S(attrDigest, string(to)), table.N(attrPushed, now)).When(seen)
	put.Set = slices.Concat(put.Set, named(in.parsed), in.by)
	actions := []table.Action{put, table.Put(parentKey(repo, to, tag))}
	if from != "" && from != to {
		actions = append(actions, table.Delete(parentKey(repo, from, tag)))
	}
	return actions
}

// untagActions remove a tag that still names a digest.
func untagActions(repo, tag string, from oci.Digest) []table.Action {
	return []table.Action{
		table.Delete(tagKey(repo, tag)).When(table.Equals(table.S(attrDigest, string(from)))),
		table.Delete(parentKey(repo, from, tag)),
	}
}

// DeleteTag removes a tag; the manifest stays. Errors: oci.ErrManifestUnknown,
// oci.ErrPrecondition, oci.ErrDenied.
func (r *Registry) DeleteTag(ctx context.Context, repo, tag string, pre Precondition) error {
	if !r.rights.Delete.Has(tag) {
		return denied("no right to delete tag %q of %s", tag, repo)
	}
	if err := r.rights.mayDemand(repo, tag, pre); err != nil {
		return err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	return decide(ctx, func() error {
		d, err := r.tagged(ctx, repo, tag)
		if err != nil {
			return err
		}
		if err := pre.check("tag "+tag, d, !r.rights.Pull.Has(tag)); err != nil {
			return err
		}
		return r.commit(ctx, untagActions(repo, tag, d)...)
	})
}
