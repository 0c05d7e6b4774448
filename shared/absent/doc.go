// Package absent spares a client the question for referrers where a registry
// has just said that there are none.
//
// A registry may say OCI-Referrers: absent when it serves a manifest
// (distribution-spec issue 454, pull request 463). A Transport asks for that,
// remembers it for two seconds at most, and answers a request for the referrers
// of that manifest by itself, with the empty index that the registry would
// send. It goes beneath any client:
//
//	spared := &absent.Transport{Reference: "registry.example.com/team/app:1"}
//
//	// oras-go
//	repo.Client = &auth.Client{Client: &http.Client{Transport: spared}}
//
//	// go-containerregistry: one puller for all, by remote.Reuse
//	puller, err := remote.NewPuller(remote.WithTransport(spared))
//
//	// regclient
//	rc := regclient.New(regclient.WithRegOpts(reg.WithHTTPClient(&http.Client{Transport: spared})))
//
// Who asks for a manifest first, and soon after for its referrers, gains. Who asks
// the other way round, as oras does that copies with all referrers, has not been
// told anything yet: for those there is [Transport.Ahead].
//
// # What holds
//
// It never invents absence. An answer of its own was true at the registry at
// some moment within the last two seconds (or within [Transport.For]), by the
// registry's own word to the same identity, about the same digest in the same
// repository of the same host by the same scheme. And once a push through the
// same Transport has been answered, no absence from before is told in that
// repository, if the push may have brought a referrer: if its manifest mentions
// a subject, or cannot be looked at. Deletes count as such pushes.
//
// A push that goes another way is seen two seconds later at the latest, as if
// the request had been made that much earlier. So a Transport is for one
// operation, or for a proxy; not for who waits for a referrer to come.
//
// # What it does not take
//
// Who asks for a list with Cache-Control: no-cache is told nothing from before. Only
// status 200 counts, and no answer with an Age, which a cache has given. A 304 says
// nothing. What a redirect leads to is another place. An identity is all headers but
// those that are known to say nothing of who asks, so whoever tells themselves apart
// by other means, such as certificates, needs a Transport each. Clients
// that fetch a new token for each request are another identity each time, and ask as
// before.
//
// A registry known by two names is two registries.
//
// # Ahead
//
// With [Transport.Ahead] a request for referrers of which nothing is noted becomes
// one for the manifest itself, at a registry that has said before whether there
// are referrers: absent, or present. Absence is as true then as above; in any
// other case, also where there is no such manifest, the list is asked for. The
// manifest waits a minute for the request that follows, of the same identity, and
// answers that. So each manifest costs the registry one request, as it did, and
// the list of what has no referrers none.
//
// Its bytes are those that the digest names. That it is still there, and still for
// this identity, is a minute old at most, or two seconds if HEAD asks; the answer
// says so by Age. It is handed over to one GET, without OCI-Referrers, and not
// after a write through the Transport by which it may be gone, or out of sight as
// what a tag was moved away from is. Manifests of up to 4 MiB are held, and of 16 MiB
// in all; where there is no room nothing is asked ahead.
//
// Who lists referrers but does not fetch what they refer to pays for it: one
// request more for each manifest that has some, at most once a minute. And what has
// some is listed one round trip later; the fetch that is spared may have been one of
// several side by side. So it saves requests rather than time.
package absent
