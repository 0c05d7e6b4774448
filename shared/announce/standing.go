package announce

import (
	"context"

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
	sideBySide(len(keys), func(i int) { read[i] = a.standing(ctx, keys[i]) })
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
