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
// the other way round has not been told anything yet.
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
// Only status 200 counts, and no answer with an Age, which a cache has given.
// A 304 says nothing. What a redirect leads to is another place. An identity is
// what Authorization and Cookie say, so whoever tells themselves apart by other
// means, such as certificates, needs a Transport each. Clients that fetch a new
// token for each request are another identity each time, and ask as before.
//
// A registry known by two names is two registries.
package absent
