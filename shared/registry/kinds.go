package registry

import (
	"strings"

	"github.com/berthregistry/berth/shared/table"
)

// Kinds lists all kinds of what happens.
func Kinds() []Kind {
	return []Kind{
		ReferrerAttached, ReferrerDetached, ManifestPushed, ManifestDeleted,
		TagCreated, TagMoved, TagDeleted, RepositoryCreated,
	}
}

// Tells says by the key of an item whether a change of it may mean something to
// those outside. Changes of all others are nothing that Happened.
func Tells(key table.Key) bool {
	if key.Partition == reposPartition {
		return true
	}
	if !strings.HasPrefix(key.Partition, repoPrefix) {
		return false
	}
	for _, prefix := range []string{manifestPrefix, tagPrefix, referrersPrefix} {
		if strings.HasPrefix(key.Sort, prefix) {
			return true
		}
	}
	return false
}
