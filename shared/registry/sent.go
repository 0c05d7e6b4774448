package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// sentLife is how long somebody who sees only some tags is remembered as having
// sent something: a push takes less.
const sentLife = 24 * time.Hour

// remembers says whether it matters what the caller has sent.
func (r *Registry) remembers() bool { return !r.rights.Pull.All() && r.rights.Who != "" }

// remember notes that the caller has proved to have the bytes of a node. It is
// part of the transaction that the proof leads to, so who was answered may refer
// to it. Of a manifest whose bytes were sent as a blob it says nothing: that would
// tell whether it is here, which is told to who pushes it.
func (r *Registry) remember(repo string, n node) []table.Action {
	if !r.remembers() {
		return nil
	}
	return []table.Action{r.note(repo, n, r.sender())}
}

// note is what remember writes about somebody, hashed.
func (r *Registry) note(repo string, n node, who string) table.Action {
	now := r.now()
	return table.Put(sentKey(repo, n, who), table.N(attrPushed, now.Unix())).Until(now.Add(sentLife))
}

// sent returns which of these nodes the caller is remembered for.
func (r *Registry) sent(ctx context.Context, repo string, nodes ...node) (map[node]bool, error) {
	found := map[node]bool{}
	if !r.remembers() {
		return found, nil
	}
	notes := make(map[table.Key]node, len(nodes))
	for _, n := range nodes {
		notes[sentKey(repo, n, r.sender())] = n
	}
	items, err := r.items(ctx, slices.Collect(maps.Keys(notes)))
	if err != nil {
		return nil, fmt.Errorf("read what the caller has sent: %w", err)
	}
	for key, n := range notes {
		found[n] = items[key].Expires.After(r.now())
	}
	return found, nil
}
