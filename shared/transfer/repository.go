package transfer

import (
	"context"
	"net/url"
	"sync"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// A Repository is where blobs are brought to or fetched from. It is safe for use
// by several goroutines.
type Repository struct {
	engine *Engine
	repo   *remote.Repository
	client doer
	base   *url.URL // ends in /v2/<name>/
	hint   string

	mu    sync.Mutex
	begun map[oci.Digest]direct.Blob // what Standing has begun, for Push
	open  map[oci.Digest]session     // uploads that began where a mount was asked for
}

// Open returns a repository of a registry, to which repo.Client logs in. Each
// request has hint as its OCI-Ref: which image it is about, as host/name:tag. It
// has none if hint is empty.
func (e *Engine) Open(repo *remote.Repository, hint string) *Repository {
	scheme := "https"
	if repo.PlainHTTP {
		scheme = "http"
	}
	base := &url.URL{Scheme: scheme, Host: repo.Reference.Host(), Path: "/v2/" + repo.Reference.Repository + "/"}
	return &Repository{
		engine: e, repo: repo, client: stay(repo.Client, base), base: base, hint: hint,
		begun: map[oci.Digest]direct.Blob{}, open: map[oci.Digest]session{},
	}
}

// at returns the URL of something below the repository.
func (r *Repository) at(path string) *url.URL {
	u := *r.base
	u.Path += path
	return &u
}

// pulling and pushing say what a login is for.
func (r *Repository) pulling(ctx context.Context) context.Context {
	return auth.AppendRepositoryScope(ctx, r.repo.Reference, auth.ActionPull)
}

func (r *Repository) pushing(ctx context.Context) context.Context {
	return auth.AppendRepositoryScope(ctx, r.repo.Reference, auth.ActionPull, auth.ActionPush)
}
