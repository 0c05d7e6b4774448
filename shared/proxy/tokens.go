package proxy

import (
	"context"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// maxTokens is how many tokens are kept, each for what it is good for: one or two
// per repository. With the largest that clients were seen to carry that is 9 MB.
const maxTokens = 1000

// tokens are those of the login. A cache of oras-go keeps all for ever, and a
// client may ask for as many repositories as it can think of, so from time to time
// it is begun anew: the registry then asks to log in again, and nobody else
// hears of it.
type tokens struct {
	mu    sync.Mutex
	cache auth.Cache
	room  int
}

var _ auth.Cache = (*tokens)(nil)

func newTokens() *tokens { return &tokens{cache: auth.NewCache(), room: maxTokens} }

func (t *tokens) now() auth.Cache {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cache
}

// GetScheme implements auth.Cache.
func (t *tokens) GetScheme(ctx context.Context, registry string) (auth.Scheme, error) {
	return t.now().GetScheme(ctx, registry)
}

// GetToken implements auth.Cache.
func (t *tokens) GetToken(ctx context.Context, registry string, scheme auth.Scheme, key string) (string, error) {
	return t.now().GetToken(ctx, registry, scheme, key)
}

// Set implements auth.Cache.
func (t *tokens) Set(ctx context.Context, registry string, scheme auth.Scheme, key string, fetch func(context.Context) (string, error)) (string, error) {
	return t.fresh().Set(ctx, registry, scheme, key, fetch)
}

// fresh returns a cache with room for one more.
func (t *tokens) fresh() auth.Cache {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.room == 0 {
		t.cache, t.room = auth.NewCache(), maxTokens
	}
	t.room--
	return t.cache
}
