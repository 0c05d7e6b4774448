package main

import (
	"net/http"
	"strings"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/berthregistry/berth/shared/absent"
)

// maxListing is the size in bytes of the largest manifest, or page of a list,
// that is read of a registry. Several are at once.
const maxListing = 8 << 20

// maxPages is how many pages of a list are read.
const maxPages = 10_000

// A network is how registries are reached, for who speaks to several repositories.
// Its transport is one for all of them: what is put into a repository counts also
// where that is read at the same time.
type network struct {
	transport *absent.Transport
	logins    auth.Cache
	plain     *bool // HTTP without TLS; nil for that on this machine only
}

// open prepares a client for a repository. Each request says by hint, if there
// is one, which image it is about.
func (n network) open(where registry.Reference, hint string) (*remote.Repository, error) {
	repo := &remote.Repository{
		Reference: where, PlainHTTP: isPlain(n.plain, where.Host()), MaxMetadataBytes: maxListing,
		TagListMaxPages: maxPages, ReferrerListMaxPages: maxPages,
		SkipReferrersGC: true, // whoever copies need not be allowed to delete
	}
	hinting := &hinting{base: n.transport, where: where, hint: hint}
	client, err := newClient(&http.Client{Transport: retry.NewTransport(hinting)})
	if err != nil {
		return nil, err
	}
	client.Cache = n.logins
	repo.Client = client
	return repo, nil
}

// hinting tells a repository, and nobody else, which image requests are about.
type hinting struct {
	base  http.RoundTripper
	where registry.Reference
	hint  string
}

// RoundTrip implements http.RoundTripper.
func (h *hinting) RoundTrip(req *http.Request) (*http.Response, error) {
	const header = "OCI-Ref"
	mine := req.URL.Host == h.where.Host() && strings.HasPrefix(req.URL.Path, "/v2/"+h.where.Repository+"/")
	if mine && h.hint != "" && req.Header.Get(header) == "" {
		req = req.Clone(req.Context())
		req.Header.Set(header, h.hint)
	}
	return h.base.RoundTrip(req)
}

// isPlain says whether to do without TLS: as it was asked for, else on this
// machine.
func isPlain(asked *bool, host string) bool {
	if asked != nil {
		return *asked
	}
	return isHere(host)
}
