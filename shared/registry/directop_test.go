package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// sender is a store to which clients send in these tests.
type sender interface {
	send(url string, body []byte) error
}

// sendAll sends the parts of a body that are not there.
func sendAll(ctx context.Context, r *registry.Registry, repo string, s direct.Status, body []byte) error {
	if s.Put != nil && len(s.Received) == 0 {
		return r.Store().(sender).send(s.Put.URL, body)
	}
	number := 0
	for piece := range slices.Chunk(body, int(s.PartSize)) {
		number++
		if slices.ContainsFunc(s.Received, func(p direct.Part) bool { return p.Number == number }) {
			continue
		}
		if err := sendPart(ctx, r, repo, s.ID, number, piece); err != nil {
			return err
		}
	}
	return nil
}

func sendPart(ctx context.Context, r *registry.Registry, repo, id string, number int, piece []byte) error {
	signed, err := r.SignParts(ctx, repo, id, direct.Sign{Parts: []direct.Part{partOf(number, piece)}})
	if err != nil {
		return err
	}
	return r.Store().(sender).send(signed.Parts[0].URL, piece)
}

// settled asks for the end of an upload until there is one.
func settled(ctx context.Context, r *registry.Registry, repo, id string, c direct.Complete) error {
	for {
		s, err := r.CompleteDirect(ctx, repo, id, c)
		if err != nil || s.State == direct.Done {
			return err
		}
		r.Store().(interface{ nap() }).nap()
	}
}

// deliver brings a blob by direct transfer, as a client does that begins anew
// where an upload goes away under it.
func deliver(repo string, body []byte) op {
	w := wanted(body)
	return act(fmt.Sprintf("deliver blob %.8s into %s", w.Digest.Encoded(), repo), func(ctx context.Context, r *registry.Registry) error {
		var err error
		for range 5 {
			var begun direct.Begun
			begun, err = r.BeginDirect(ctx, repo, direct.Begin{Blobs: []direct.Wanted{w}})
			if err != nil || begun.Blobs[0].State != direct.Upload {
				return err
			}
			s := *begun.Blobs[0].Upload
			if s.State == direct.Open {
				err = sendAll(ctx, r, repo, s, body)
			}
			if err == nil {
				err = settled(ctx, r, repo, s.ID, direct.Complete{Digest: w.Digest, Size: w.Size})
			}
			if !overIs(err) {
				break
			}
		}
		return err
	})
}

// overIs says whether an upload is over for whatever reason: somebody else completed
// it, or aborted it, or had sent something else to it.
func overIs(err error) bool {
	return errors.Is(err, oci.ErrUploadUnknown) || errors.Is(err, oci.ErrUploadInvalid) || errors.Is(err, oci.ErrDigestInvalid)
}

func completeAs(id string, body []byte) op {
	d := oci.SHA256.Sum(body)
	return act(fmt.Sprintf("complete as %.8s", d.Encoded()), func(ctx context.Context, r *registry.Registry) error {
		return settled(ctx, r, home, id, direct.Complete{Digest: d, Size: int64(len(body))})
	})
}

// beginAll begins blobs, and says what is to be done about each.
func beginAll(blobs ...direct.Wanted) op {
	return op{name: "begin", do: func(ctx context.Context, r *registry.Registry) (string, error) {
		begun, err := r.BeginDirect(ctx, home, direct.Begin{Blobs: blobs})
		var states []string
		for _, b := range begun.Blobs {
			states = append(states, string(b.State))
		}
		return strings.Join(states, " "), err
	}}
}

func statusOf(id string) op {
	return op{name: "status", do: func(ctx context.Context, r *registry.Registry) (string, error) {
		s, err := r.DirectStatus(ctx, home, id, 0)
		return string(s.State), err
	}}
}

func abort(id string) op {
	return act("abort", func(ctx context.Context, r *registry.Registry) error { return r.AbortDirect(ctx, home, id) })
}

func verify(id string) op {
	return act("verify", func(ctx context.Context, r *registry.Registry) error { return r.VerifyDirect(ctx, home, id) })
}

func resend(id string, number int, piece []byte) op {
	return act(fmt.Sprintf("send part %d", number), func(ctx context.Context, r *registry.Registry) error {
		return sendPart(ctx, r, home, id, number, piece)
	})
}

// sail begins a direct upload and sends all of it.
func (s *stage) sail(w direct.Wanted, body []byte) (id string) {
	s.t.Helper()
	begun, err := s.reg.BeginDirect(context.Background(), home, direct.Begin{Blobs: []direct.Wanted{w}})
	if err != nil || begun.Blobs[0].State != direct.Upload {
		s.t.Fatal(begun, err)
	}
	if err := sendAll(context.Background(), s.reg, home, *begun.Blobs[0].Upload, body); err != nil {
		s.t.Fatal(err)
	}
	return begun.Blobs[0].Upload.ID
}

// What is delivered: in one PUT, in three parts that the store sums, and in three
// that are read again.
var (
	parcel = filled("parcel", 20)
	chest  = filled("chest", 50)
	crate  = filled("crate", 51)
)

var stream = direct.Wanted{Size: -1}

var directScenes = []scene{
	{name: "deliver one blob twice", set: func(*stage) [][]op {
		return [][]op{{sure(deliver(home, crate))}, {sure(deliver(home, crate))}, {sure(deliver(home, parcel))}}
	}},
	{name: "deliver what others put, and delete it", set: func(*stage) [][]op {
		return [][]op{{sure(deliver(home, chest))}, {sure(putBlob(home, chest))}, {deleteBlob(home, chest)}}
	}},
	{name: "deliver what is here by another's hand, and mounted elsewhere", set: func(s *stage) [][]op {
		s.do(deliver(other, crate))
		return [][]op{{sure(deliver(home, crate))}, {sure(deleteBlob(other, crate))}, {mount(third, home, crate)}}
	}},
	{name: "two people deliver one blob and push an image of it", set: func(s *stage) [][]op {
		s.do(putBlob(home, s.config), push(s.ofNothing(), "1"))
		img := image(describe(blobType, crate), nil, nil)
		var clients [][]op
		for _, who := range []string{"alice", "bob"} {
			w := limited(who)
			clients = append(clients, []op{sure(as(w, deliver(home, crate))), sure(as(w, push(img, "1"))), sure(as(w, readBlob(home, crate)))})
		}
		return clients
	}},
	{name: "complete twice, abort", set: func(s *stage) [][]op {
		id := s.sail(wanted(crate), crate)
		return [][]op{{completeAs(id, crate)}, {completeAs(id, crate)}, {abort(id)}}
	}},
	{name: "complete one PUT twice, abort, deliver it", set: func(s *stage) [][]op {
		id := s.sail(wanted(parcel), parcel)
		return [][]op{{completeAs(id, parcel)}, {abort(id), sure(deliver(home, parcel))}, {completeAs(id, parcel)}}
	}},
	{name: "complete, verify twice, delete the blob", set: func(s *stage) [][]op {
		id := s.sail(wanted(crate), crate)
		return [][]op{{sure(completeAs(id, crate)), deleteBlob(home, crate)}, {sure(verify(id)), sure(verify(id))}, {sure(verify(id))}}
	}},
	{name: "complete a stream as what it is, and as what it is not", set: func(s *stage) [][]op {
		id := s.sail(stream, chest)
		return [][]op{{completeAs(id, chest)}, {completeAs(id, crate[:50])}, {verify(id)}}
	}},
	{name: "complete while a part is sent again", set: func(s *stage) [][]op {
		id := s.sail(stream, chest)
		return [][]op{{completeAs(id, chest)}, {resend(id, 2, chest[20:40])}, {resend(id, 2, crate[:20]), sure(deliver(home, chest))}}
	}},
	{name: "deliver what was sent wrong", set: func(s *stage) [][]op {
		id := s.sail(wanted(chest), crate[:50])
		return [][]op{{completeAs(id, chest), sure(deliver(home, chest))}, {verify(id), sure(deliver(home, chest))}, {sure(putBlob(home, chest))}}
	}},
}
