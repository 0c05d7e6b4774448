package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A scene sets what is there and returns what clients do at once, each client
// its ops one after the other.
type scene struct {
	name string
	set  func(*stage) [][]op
	rare int // it is so many times as slow as others, and run as many times less
}

// A stage is where a scene is set.
type stage struct {
	cast
	t   *testing.T
	reg *registry.Registry
}

// do performs ops, none of which may fail.
func (s *stage) do(ops ...op) {
	s.t.Helper()
	for _, o := range ops {
		if got := o.perform(s.t.Context(), s.reg); got.end != success {
			s.t.Fatalf("%s: %v", o.name, got)
		}
	}
}

// upload begins an upload with a chunk.
func (s *stage) upload(chunk []byte) (id string) {
	s.t.Helper()
	u, err := s.reg.StartUpload(context.Background(), home, "")
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(appendTo(u.ID, 0, chunk))
	return u.ID
}

// A cast is the content that scenes are about, always the same.
type cast struct {
	config, layer  []byte // blobs, one kept in its item, one in an object
	ofLayer        []byte // an image of both
	plain, alike   []byte // images of the config alone
	sig, sig2, box []byte // referrers of plain, two of one type
	onSig          []byte // a referrer of sig
	overPlain      []byte // an index of plain whose subject is plain
	huge           []byte // an image too large for its item

	layers          [][]byte // 120 blobs
	spilled, strewn []byte   // images of 60 and all of them: too many for the transaction of a push, of a deletion
}

const blobType = "application/vnd.test.layer"

// filled makes content of a size.
func filled(name string, size int) []byte {
	return append([]byte(name), bytes.Repeat([]byte{'.'}, max(size-len(name), 0))...)
}

func newCast() cast {
	c := cast{config: filled("config", 20), layer: filled("layer", 20<<10)}
	config := describe(blobType, c.config)
	note := func(s string) map[string]any { return map[string]any{"annotations": map[string]string{"note": s}} }
	c.ofLayer = image(config, []oci.Descriptor{describe(blobType, c.layer)}, nil)
	c.plain, c.alike = image(config, nil, nil), image(config, nil, note("alike"))
	plain := describe(oci.MediaTypeImage, c.plain)
	c.sig, c.sig2, c.box = referrer(config, plain, "sig", 1), referrer(config, plain, "sig", 2), referrer(config, plain, "box", 1)
	c.onSig = referrer(config, describe(oci.MediaTypeImage, c.sig), "sig", 1)
	c.overPlain = index([]oci.Descriptor{plain}, map[string]any{"subject": plain})
	c.huge = image(config, nil, note(string(filled("huge", 300<<10))))
	var layers []oci.Descriptor
	for n := range 120 {
		c.layers = append(c.layers, filled(fmt.Sprint("layer ", n), 20))
		layers = append(layers, describe(blobType, c.layers[n]))
	}
	c.spilled, c.strewn = image(config, layers[:60], map[string]any{"subject": plain}), image(config, layers, nil)
	return c
}

func byDigest(body []byte) oci.Reference { return oci.Reference{Digest: oci.SHA256.Sum(body)} }

func byTag(tag string) oci.Reference { return oci.Reference{Tag: tag} }

// scenes are what could get in each other's way.
func scenes() []scene {
	return slices.Concat(blobScenes, referrerScenes, manifestScenes, uploadScenes, limitedScenes, directScenes)
}

var blobScenes = []scene{
	{name: "push an image, delete its blob", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), putBlob(home, s.layer))
		return [][]op{{push(s.ofLayer, "1")}, {deleteBlob(home, s.layer)}, {look(byTag("1"))}}
	}},
	{name: "push a second image, fail to delete the blob of both", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.alike))
		return [][]op{{sure(push(s.plain, "1"))}, {deleteBlob(home, s.config)}}
	}},
	{name: "delete a blob twice, bring it back, push", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), putBlob(home, s.layer))
		return [][]op{{deleteBlob(home, s.layer)}, {deleteBlob(home, s.layer)}, {sure(putBlob(home, s.layer)), push(s.ofLayer)}}
	}},
	{name: "delete a shared blob twice, bring it back", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.layer), mount(other, home, s.layer))
		return [][]op{{deleteBlob(home, s.layer)}, {deleteBlob(home, s.layer)}, {sure(putBlob(home, s.layer))}, {sure(readBlob(other, s.layer))}}
	}},
	{name: "delete a blob twice while its manifest goes and comes", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), putBlob(home, s.layer), push(s.ofLayer))
		return [][]op{{sure(deleteManifest(s.ofLayer)), push(s.ofLayer)}, {deleteBlob(home, s.layer)}, {deleteBlob(home, s.layer)}, {putBlob(home, s.layer)}}
	}},
	{name: "read a blob while it is deleted", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.layer))
		return [][]op{{readBlob(home, s.layer)}, {sure(deleteBlob(home, s.layer))}, {sure(putBlob(home, s.layer))}}
	}},
	{name: "one blob from two clients, deleted", set: func(s *stage) [][]op {
		return [][]op{{sure(putBlob(home, s.layer))}, {sure(putBlob(home, s.layer))}, {deleteBlob(home, s.layer)}}
	}},
	{name: "mount, delete the source", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.layer))
		return [][]op{{mount(other, home, s.layer)}, {sure(deleteBlob(home, s.layer))}, {mount(third, "", s.layer)}}
	}},
	{name: "mount over what is being deleted", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.layer), putBlob(other, s.layer))
		return [][]op{{mount(other, home, s.layer)}, {sure(deleteBlob(other, s.layer))}, {sure(deleteBlob(home, s.layer))}}
	}},
	{name: "mount from itself", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.layer))
		return [][]op{{mount(home, home, s.layer)}, {mount(home, "", s.layer)}, {sure(deleteBlob(home, s.layer))}, {sure(putBlob(home, s.layer))}}
	}},
}

var referrerScenes = []scene{
	{name: "attach, detach, delete the subject", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.plain, "1"), push(s.sig))
		return [][]op{{sure(push(s.sig2)), look(byDigest(s.plain))}, {sure(deleteManifest(s.sig))}, {sure(deleteManifest(s.plain))}}
	}},
	{name: "attach before the subject comes", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config))
		return [][]op{{sure(push(s.sig)), look(byDigest(s.plain))}, {sure(push(s.plain, "1")), sure(deleteManifest(s.plain))}, {sure(push(s.box)), sure(deleteManifest(s.box))}}
	}},
	{name: "detach two from a subject that is not here", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.sig), push(s.sig2))
		return [][]op{{sure(deleteManifest(s.sig))}, {sure(deleteManifest(s.sig2))}, {sure(push(s.plain))}}
	}},
	{name: "a referrer of a referrer", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.plain))
		return [][]op{{sure(push(s.sig)), sure(deleteManifest(s.sig))}, {sure(push(s.onSig)), look(byDigest(s.sig))}, {sure(deleteManifest(s.plain))}}
	}},
	{name: "one referrer attached twice, detached", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.plain))
		return [][]op{{sure(push(s.sig))}, {sure(push(s.sig))}, {deleteManifest(s.sig), look(byDigest(s.plain))}}
	}},
	{name: "an index whose child is its subject", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.plain))
		return [][]op{{push(s.overPlain, "1")}, {sure(deleteManifest(s.plain))}, {sure(push(s.sig))}}
	}},
}

var manifestScenes = []scene{
	{name: "retag, delete the manifest", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.plain, "1"), push(s.alike, "2"))
		return [][]op{{sure(push(s.plain, "2"))}, {sure(deleteManifest(s.plain))}, {sure(push(s.alike, "1"))}}
	}},
	{name: "retag, delete the tag", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.plain, "1"), push(s.alike, "2"))
		return [][]op{{sure(push(s.plain, "2", "3"))}, {deleteTag("2")}, {sure(deleteManifest(s.alike))}, {look(byTag("2"))}}
	}},
	{name: "only one is the first", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config))
		first := registry.Precondition{NoneMatch: true}
		return [][]op{{pushIf(first, s.plain, "1")}, {pushIf(first, s.alike, "1")}, {deleteTag("1")}}
	}},
	{name: "compare and swap", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.plain, "1"), push(s.alike), push(s.sig))
		still := registry.Precondition{Match: []oci.Digest{byDigest(s.plain).Digest}}
		return [][]op{{pushIf(still, s.alike, "1")}, {pushIf(still, s.sig, "1")}, {sure(deleteManifest(s.plain))}}
	}},
	{name: "push one manifest twice, delete it and its blob", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), putBlob(home, s.layer))
		return [][]op{{push(s.ofLayer, "1")}, {push(s.ofLayer, "2")}, {deleteManifest(s.ofLayer), deleteBlob(home, s.layer)}}
	}},
	{name: "push one huge manifest twice, delete it", rare: 4, set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config))
		return [][]op{{sure(push(s.huge, "1"))}, {sure(push(s.huge, "2"))}, {deleteManifest(s.huge)}, {look(byDigest(s.huge))}}
	}},
	{name: "push what one transaction does not hold twice, delete it and a blob", rare: 1, set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config))
		for _, body := range s.layers {
			s.do(putBlob(home, body))
		}
		return [][]op{{push(s.spilled, "1"), deleteManifest(s.spilled)}, {push(s.spilled, "2")}, {push(s.spilled, "3")}, {deleteBlob(home, s.layers[7])}}
	}},
	{name: "delete what one transaction does not hold, push it again", rare: 1, set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config))
		for _, body := range s.layers {
			s.do(putBlob(home, body))
		}
		s.do(push(s.strewn, "1"))
		return [][]op{{push(s.strewn, "2")}, {sure(deleteManifest(s.strewn))}, {deleteBlob(home, s.layers[7])}}
	}},
}

// limited are the rights of somebody to the tag 1.
func limited(who string) registry.Rights {
	tags := only("1")
	return registry.Rights{Pull: tags, Push: tags, Tag: tags, Attach: tags, Who: who, Hints: []oci.Reference{byTag("1")}}
}

var limitedScenes = []scene{
	{name: "read what a tag leads to while the tag moves", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), putBlob(home, s.layer), push(s.ofLayer, "1"), push(s.plain))
		reader := limited("")
		return [][]op{
			{as(reader, readBlob(home, s.layer)), as(reader, look(byDigest(s.ofLayer)))},
			{sure(push(s.plain, "1")), as(reader, readBlob(home, s.layer))},
		}
	}},
	{name: "two limited people push one image", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.layer), push(s.ofNothing(), "2"))
		var clients [][]op
		for _, who := range []string{"alice", "bob"} {
			w := limited(who)
			clients = append(clients, []op{
				as(w, push(s.plain, "1")), sure(as(w, putBlob(home, s.config))), sure(as(w, push(s.plain, "1"))), as(w, readBlob(home, s.layer)),
			})
		}
		return clients
	}},
	{name: "tag what only its owner sees while it is deleted", set: func(s *stage) [][]op {
		s.do(as(limited("alice"), putBlob(home, s.config)), as(limited("alice"), push(s.plain)))
		return [][]op{
			{as(limited("alice"), push(s.plain, "1"))}, {as(limited("bob"), push(s.plain, "1"))},
			{sure(deleteManifest(s.plain))}, {as(limited("bob"), look(byDigest(s.plain)))},
		}
	}},
}

var uploadScenes = []scene{
	{name: "finish twice", set: func(s *stage) [][]op {
		id, rest, d := s.upload(s.layer), filled("rest", 10), oci.SHA256.Sum(slices.Concat(s.layer, filled("rest", 10)))
		return [][]op{{sure(finish(id, len(s.layer), rest, d))}, {sure(finish(id, len(s.layer), rest, d))}}
	}},
	{name: "finish twice, cancel", set: func(s *stage) [][]op {
		id, d := s.upload(s.layer), oci.SHA256.Sum(s.layer)
		return [][]op{{finish(id, len(s.layer), nil, d)}, {finish(id, len(s.layer), nil, d)}, {cancel(id)}}
	}},
	{name: "finish a small one twice, cancel", set: func(s *stage) [][]op {
		id, d := s.upload(s.config), oci.SHA256.Sum(s.config)
		return [][]op{{finish(id, len(s.config), nil, d)}, {finish(id, len(s.config), nil, d)}, {cancel(id)}}
	}},
	{name: "finish with other bytes", set: func(s *stage) [][]op {
		id, one, two := s.upload(s.layer), filled("one", 10), filled("two", 10)
		end := func(rest []byte) op {
			return finish(id, len(s.layer), rest, oci.SHA256.Sum(slices.Concat(s.layer, rest)))
		}
		return [][]op{{end(one)}, {end(two)}, {appendTo(id, len(s.layer), two)}}
	}},
	{name: "finish twice, delete the blob between", set: func(s *stage) [][]op {
		id, d := s.upload(s.layer), oci.SHA256.Sum(s.layer)
		end := finish(id, len(s.layer), nil, d)
		return [][]op{{sure(end), deleteBlob(home, s.layer)}, {sure(end)}, {sure(putBlob(home, s.layer))}}
	}},
	{name: "append twice, finish", set: func(s *stage) [][]op {
		id, one, two := s.upload(s.layer), filled("one", 10), filled("two", 10)
		whole := slices.Concat(s.layer, one)
		return [][]op{{appendTo(id, len(s.layer), one)}, {appendTo(id, len(s.layer), two)}, {finish(id, len(whole), nil, oci.SHA256.Sum(whole))}}
	}},
	{name: "finish by a digest of an algorithm that nobody announced", rare: 32, set: func(s *stage) [][]op {
		long := filled("long", 9<<20) // too long to be hashed by both
		id := s.upload(long)
		return [][]op{{finish(id, len(long), nil, oci.SHA512.Sum(long))}, {finish(id, len(long), nil, oci.SHA512.Sum(s.layer))}, {cancel(id)}}
	}},
}
