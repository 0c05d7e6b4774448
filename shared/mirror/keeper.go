package mirror

import (
	"context"
	"sync"

	"github.com/berthregistry/berth/shared/oci"
)

// maxKept is how many bytes of manifests are held from when they are looked at
// until they are put. What is more is fetched a second time.
const maxKept = 48 << 20

// A keeper holds manifests.
type keeper struct {
	mu   sync.Mutex
	kept map[oci.Digest][]byte
	size int
}

// get returns the bytes of a manifest, which must not be changed.
func (k *keeper) get(ctx context.Context, from Origin, d oci.Descriptor) ([]byte, error) {
	k.mu.Lock()
	raw, ok := k.kept[d.Digest]
	k.mu.Unlock()
	if ok {
		return raw, nil
	}
	raw, err := from.Manifest(ctx, d)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, twice := k.kept[d.Digest]; !twice && k.size+len(raw) <= maxKept {
		if k.kept == nil {
			k.kept = map[oci.Digest][]byte{}
		}
		k.kept[d.Digest], k.size = raw, k.size+len(raw)
	}
	return raw, nil
}

// drop lets go of a manifest that is not needed any more.
func (k *keeper) drop(d oci.Digest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.size -= len(k.kept[d])
	delete(k.kept, d)
}
