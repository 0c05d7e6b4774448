package registry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// sentLife is how long somebody who sees only some tags is remembered as having
// sent something: a push takes less.
const sentLife = 24 * time.Hour

// remembers says whether it matters what the caller has sent.
func (r *Registry) remembers() bool { return !r.rights.Pull.All() && r.rights.Who != "" }

// remember notes that the caller has proved to have the bytes of a digest. It is
// part of the transaction that the proof leads to, so who was answered may refer
// to it.
func (r *Registry) remember(repo string, d oci.Digest) []table.Action {
	if !r.remembers() {
		return nil
	}
	now := r.now()
	note := table.Put(sentKey(repo, d, r.rights.Who), table.N(attrPushed, now.Unix()))
	return []table.Action{note.Until(now.Add(sentLife))}
}

// sent returns which of these digests the caller is remembered for.
func (r *Registry) sent(ctx context.Context, repo string, digests ...oci.Digest) (map[oci.Digest]bool, error) {
	found := map[oci.Digest]bool{}
	if !r.remembers() {
		return found, nil
	}
	slices.Sort(digests)
	for chunk := range slices.Chunk(slices.Compact(digests), table.MaxKeys) {
		keys := make([]table.Key, len(chunk))
		for i, d := range chunk {
			keys[i] = sentKey(repo, d, r.rights.Who)
		}
		items, err := r.table.GetMany(ctx, keys)
		if err != nil {
			return nil, fmt.Errorf("read what the caller has sent: %w", err)
		}
		for i, d := range chunk {
			found[d] = items[keys[i]].Expires.After(r.now())
		}
	}
	return found, nil
}
