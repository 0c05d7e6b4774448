package announce

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A subjectKey names what is referred to.
type subjectKey struct {
	repo   string
	digest oci.Digest
}

// A standing is how a subject stands, or why that could not be read: which is
// said of the first event that needs it, so that those before it are told.
type standing struct {
	Standing
	err error
}

// atOnce bounds what is read or kept side by side: each is a call or two that
// wait for the table, and much may happen to many subjects at once.
const atOnce = 8

// standings reads how the subjects in the news stand, each once: much is attached
// to one subject at once. Each is true of a moment after the changes were made,
// which is all that events say.
func (a *Announcer) standings(ctx context.Context, some []news) map[subjectKey]standing {
	var keys []subjectKey
	all := map[subjectKey]standing{}
	for _, n := range some {
		key := subjectKey{n.Repo, n.Subject}
		if _, ok := all[key]; !ok && isOfReferrer(n.Kind) {
			keys, all[key] = append(keys, key), standing{}
		}
	}
	read := make([]standing, len(keys))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, key := range keys {
		g.Go(func() error {
			read[i] = a.standing(ctx, key)
			return nil
		})
	}
	_ = g.Wait()
	for i, key := range keys {
		all[key] = read[i]
	}
	return all
}

func isOfReferrer(k registry.Kind) bool {
	return k == registry.ReferrerAttached || k == registry.ReferrerDetached
}

func (a *Announcer) standing(ctx context.Context, key subjectKey) standing {
	now, err := a.Registry.Standing(ctx, key.repo, key.digest)
	if err != nil {
		return standing{err: err}
	}
	return standing{Standing: Standing{
		Tags: append([]string{}, now.Tags...), TagsTruncated: now.Truncated,
		Referrers: Referrers{Total: now.Referrers, ByType: now.ByType},
	}}
}
