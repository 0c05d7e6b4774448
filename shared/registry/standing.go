package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// maxStanding bounds the tags of a Standing.
const maxStanding = 1000

// A Standing is how a manifest stands in its repository at a moment.
type Standing struct {
	// Tags name it, in byte order.
	Tags []string
	// Truncated says that there are more tags.
	Truncated bool
	// Referrers is how many manifests refer to it.
	Referrers int64
	// ByType is how many of them there are of a type. Those without a type, and
	// of types that are not counted one by one, are in Referrers only.
	ByType map[string]int64
}

// Standing says how a manifest stands, whether it is here or only referred to:
// one read of its item, one query for its tags and one more for each thousand
// that an index has listed it beside. Tags and counts are not read at one moment.
// Errors: oci.ErrDenied, see MayWatch.
func (r *Registry) Standing(ctx context.Context, repo string, d oci.Digest) (Standing, error) {
	if err := r.MayWatch(repo); err != nil {
		return Standing{}, err
	}
	item, err := r.table.Get(ctx, manifestKey(repo, d))
	if err != nil && !errors.Is(err, table.ErrAbsent) {
		return Standing{}, fmt.Errorf("read manifest: %w", err)
	}
	s := Standing{Referrers: item.Num(attrReferrers), ByType: map[string]int64{}}
	for _, a := range item.Attrs {
		if t, ok := strings.CutPrefix(a.Name, attrReferrersOf); ok && t != "" && a.Num() > 0 {
			s.ByType[t] = a.Num()
		}
	}
	s.Tags, s.Truncated, err = r.someTagsOf(ctx, repo, d, maxStanding)
	return s, err
}

// MayWatch fails unless somebody may pull all of a repository: events speak of
// all of it. Errors: oci.ErrDenied.
func (r *Registry) MayWatch(repo string) error {
	if !r.rights.Pull.All() {
		return denied("no right to watch %s: that takes the right to pull all of it", repo)
	}
	return nil
}

// someTagsOf returns up to n tags that name a manifest, and whether there are
// more. However many indexes list it, it does not read through them: digests are
// skipped where they begin.
func (r *Registry) someTagsOf(ctx context.Context, repo string, d oci.Digest, n int) ([]string, bool, error) {
	q := table.Query{Partition: repoPartition(repo), Prefix: parentPrefix(d), Limit: n + 1}
	var tags []string
	for {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return nil, false, fmt.Errorf("read tags of a manifest: %w", err)
		}
		for _, edge := range page.Items {
			if q.After >= edge.Sort {
				continue // a digest, and those after it, which are skipped
			}
			parent := strings.TrimPrefix(edge.Sort, q.Prefix)
			q.After = edge.Sort
			if algorithm, _, isDigest := strings.Cut(parent, ":"); isDigest {
				q.After = q.Prefix + algorithm + ";" // what comes next after a colon
				continue
			}
			if len(tags) == n {
				return tags, true, nil
			}
			tags = append(tags, parent)
		}
		if !page.More {
			return tags, false, nil
		}
	}
}
