package announce_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// TestChains has several people do the same at once. Who was first cannot be seen
// from outside, but what is told of one thing must be a chain: it comes where it
// was not, moves from where it was, goes where it was, and in the end is where it
// is. An event too many, too few, or with another's contents breaks it.
func TestChains(t *testing.T) {
	s := newStory(t, 7)
	recording := record(t, s.tab)
	for range 3 { // both repositories are begun by several at once
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { s.crowd(t.Context()) })
		}
		all.Wait()
	}
	changes := recording.stop(t, s.tab)
	var out tape
	if done, err := announcer(s.tab, &out).Announce(t.Context(), changes); done != len(changes) || err != nil {
		t.Fatalf("%d of %d done, %v", done, len(changes), err)
	}
	state, ids := view{}, map[string]bool{}
	for _, e := range out.events {
		if ids[e.ID] {
			t.Errorf("two events have the id %s", e.ID)
		}
		ids[e.ID] = true
		if err := state.apply(e); err != nil {
			t.Error(err)
		}
	}
	if end := s.look(); !maps.Equal(state, end) {
		t.Errorf("the events lead to\n%v\nand the registry is at\n%v", state, end)
	}
	t.Logf("%d events", len(out.events))
}

// crowd does some things in both repositories, among others who do the same.
func (s *story) crowd(ctx context.Context) {
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for _, repo := range storyRepos {
		s.mustBring(ctx, repo, random)
	}
	for range 60 {
		repo, body, tag := storyRepos[random.IntN(2)], s.bodies[random.IntN(len(s.bodies))], storyTags[random.IntN(3)]
		var err error
		switch random.IntN(6) {
		case 0:
			err = s.clear.DeleteManifest(ctx, repo, oci.SHA256.Sum(body), registry.Precondition{})
		case 1:
			err = s.clear.DeleteTag(ctx, repo, tag, registry.Precondition{})
		default:
			_, err = s.clear.PutManifest(ctx, registry.ManifestPush{Repo: repo, Ref: oci.Reference{Tag: tag}, Body: body})
		}
		var known *oci.Error
		if err != nil && !errors.As(err, &known) {
			s.t.Error(err)
		}
	}
}

// mustBring sends the blobs, each of a crowd in another order.
func (s *story) mustBring(ctx context.Context, repo string, random *rand.Rand) {
	bodies := blobBodies()
	random.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	for _, body := range bodies {
		if err := s.clear.PutBlob(ctx, repo, int64(len(body)), oci.SHA256.Sum(body), strings.NewReader(string(body))); err != nil {
			s.t.Error(err)
		}
	}
}

// apply changes a view as an event says, if it follows from how things are there.
func (v view) apply(e announce.Event) error {
	var d announce.Data
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return err
	}
	text, err := said(e)
	if err != nil {
		return err
	}
	kind, rest, _ := strings.Cut(text, " ")
	what, verb, _ := strings.Cut(kind, ".")
	name, _, _ := strings.Cut(rest, " is ")
	name, _, _ = strings.Cut(name, " was ")
	name, _, _ = strings.Cut(name, " from ")
	thing, was, is := what+" "+name, "", "there"
	switch {
	case verb == "moved":
		was, is = string(d.Previous), string(d.Digest)
	case what == "tag":
		is = string(d.Digest)
	}
	if verb == "deleted" || verb == "detached" {
		was, is = is, ""
	}
	if v[thing] != was {
		return fmt.Errorf("%s, but it is at %q", text, v[thing])
	}
	if v[thing] = is; is == "" {
		delete(v, thing)
	}
	return nil
}
