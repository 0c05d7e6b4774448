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
// more. A negative n stands for all that fit one answer. Errors:
// oci.ErrNameUnknown.
func (r *Registry) Tags(ctx context.Context, repo, after string, n int) ([]string, bool, error) {
	tags, more, err := r.names(ctx, repoPartition(repo), tagPrefix, after, n)
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

// Repositories lists up to n repositories after one, like Tags.
func (r *Registry) Repositories(ctx context.Context, after string, n int) ([]string, bool, error) {
	return r.names(ctx, reposPartition, repoPrefix, after, n)
}

// names lists what comes behind prefix in the sort keys of a partition.
func (r *Registry) names(ctx context.Context, partition, prefix, after string, n int) (names []string, more bool, err error) {
	q := table.Query{Partition: partition, Prefix: prefix}
	if after != "" {
		q.After = prefix + after
	}
	size := 0
	for more = true; more && len(names) != n && size < maxList; {
		q.Limit = max(n-len(names), 0)
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return nil, false, fmt.Errorf("list %s: %w", partition, err)
		}
		for _, item := range page.Items {
			names = append(names, strings.TrimPrefix(item.Sort, prefix))
			size += len(item.Sort)
			q.After = item.Sort
		}
		more = page.More
	}
	return names, more && n != 0, nil
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

// check holds the precondition to the present digest, "" for none.
func (p Precondition) check(what string, present oci.Digest) error {
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
	}
	return oci.ErrPrecondition.With(map[string]string{"digest": string(present)}, "%s is at %s", what, present)
}

// tagActions point a tag from one digest, "" if it is new, to another. They
// hold only if nobody moved the tag since it was read.
func tagActions(repo, tag string, from, to oci.Digest, now int64) []table.Action {
	seen := table.Absent()
	if from != "" {
		seen = table.Equals(table.S(attrDigest, string(from)))
	}
	put := table.Put(tagKey(repo, tag), table.S(attrDigest, string(to)), table.N(attrPushed, now)).When(seen)
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
// oci.ErrPrecondition.
func (r *Registry) DeleteTag(ctx context.Context, repo, tag string, pre Precondition) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	return decide(ctx, func() error {
		d, err := r.tagged(ctx, repo, tag)
		if err != nil {
			return err
		}
		if err := pre.check("tag "+tag, d); err != nil {
			return err
		}
		return r.commit(ctx, untagActions(repo, tag, d)...)
	})
}
