package announce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/announce"
	blobslocal "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	tablelocal "github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

// A story is what people do to a registry whose table fails now and then, before
// a write or after it, for a moment or for longer than the registry has patience.
type story struct {
	*rand.Rand
	t      testing.TB
	tab    *tablelocal.Store
	reg    *registry.Registry // over the table that fails
	clear  *registry.Registry // over the same without faults, by which the oracle looks
	bodies [][]byte           // of all manifests that there may be

	mu    sync.Mutex
	storm int  // how many calls are yet to fail
	calm  bool // none are to

	now  view
	real []string // what has happened, by what can be seen
}

var (
	storyRepos = []string{"team/app", "team/web"}
	storyTags  = []string{"v1", "v2", "latest"}
	emptyBlob  = []byte("{}")
)

const lastLayer = 60 // with an edge for each, more than one transaction takes

func newStory(t testing.TB, seed uint64) *story {
	t.Helper()
	s := &story{Rand: rand.New(rand.NewPCG(seed, 6)), t: t, tab: localTable(t), calm: true}
	obj, err := blobslocal.Open(filepath.Join(t.TempDir(), "blobs"))
	s.must(err)
	s.reg = registry.New(tabletest.NewFaulty(s.tab, s.fault), obj, registry.Options{})
	s.clear = registry.New(s.tab, obj, registry.Options{})
	s.cast()
	s.now = s.look()
	return s
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// fault lets a call fail, and perhaps some of those that follow.
func (s *story) fault(tabletest.Call) tabletest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.storm == 0 && !s.calm && s.IntN(12) == 0 {
		s.storm = 1 + s.IntN(7)
	}
	if s.storm == 0 || s.calm {
		return tabletest.Proceed
	}
	s.storm--
	return []tabletest.Fault{tabletest.FailBefore, tabletest.FailAfter}[s.IntN(2)]
}

// cast makes the manifests that the story is about.
func (s *story) cast() {
	layers := []oci.Descriptor{}
	for n := range lastLayer {
		layers = append(layers, describe("application/vnd.layer", fmt.Appendf(nil, "layer %d", n)))
	}
	config := describe("application/vnd.config", emptyBlob)
	make := func(mediaType string, fields map[string]any) oci.Descriptor {
		fields["schemaVersion"], fields["mediaType"] = 2, mediaType
		body, err := json.Marshal(fields)
		s.must(err)
		s.bodies = append(s.bodies, body)
		return describe(mediaType, body)
	}
	var images []oci.Descriptor
	for n := range 3 {
		images = append(images, make(oci.MediaTypeImage, map[string]any{"config": config, "layers": layers[:n]}))
	}
	images = append(images, make(oci.MediaTypeImage, map[string]any{"config": config, "layers": layers}))
	subjects := append(slices.Clone(images[:2]), make(oci.MediaTypeIndex, map[string]any{"manifests": images[:2]}))
	for n := range 4 {
		subject := subjects[s.IntN(len(subjects))]
		subjects = append(subjects, make(oci.MediaTypeImage, map[string]any{ // of what refers to others, too
			"config": config, "layers": layers[:1], "subject": subject, "artifactType": fmt.Sprintf("application/vnd.%d", n%2),
			"annotations": map[string]string{"n": fmt.Sprint(n)},
		}))
	}
	make(oci.MediaTypeIndex, map[string]any{"manifests": []any{}, "subject": subjects[0]})
}

func describe(mediaType string, body []byte) oci.Descriptor {
	return oci.Descriptor{MediaType: mediaType, Digest: oci.SHA256.Sum(body), Size: int64(len(body))}
}

// as is a registry to somebody who may do everything.
func (s *story) as(reg *registry.Registry, who string) *registry.Registry {
	all := registry.AllTags()
	return reg.For(registry.Rights{
		Pull: all, Push: all, Tag: all, Attach: all, Delete: all, By: who,
		Elsewhere: func(string) registry.Rights { return registry.Rights{Pull: all} },
	})
}

// A deed is something that somebody does, perhaps several times.
type deed func(context.Context, *registry.Registry) error

// try does something, with a client that tries again, or gives up, or does it
// again though it went well. After each try it looks what has become of it.
func (s *story) try(who string, do deed) {
	for range 1 + s.IntN(3) {
		s.calm = false
		err := do(s.t.Context(), s.as(s.reg, who))
		s.calm, s.storm = true, 0
		var known *oci.Error
		if err != nil && !errors.As(err, &known) && !errors.Is(err, tabletest.ErrFault) {
			s.t.Fatal(err)
		}
		after := s.look()
		s.real = append(s.real, s.now.become(after, who)...)
		s.now = after
	}
}

// blobBodies are the blobs that images need.
func blobBodies() [][]byte {
	bodies := [][]byte{emptyBlob}
	for n := range lastLayer {
		bodies = append(bodies, fmt.Appendf(nil, "layer %d", n))
	}
	return bodies
}

// bring sends them.
func (s *story) bring(repo string) {
	for _, body := range blobBodies() {
		s.try("robot:blobs", func(ctx context.Context, r *registry.Registry) error {
			return r.PutBlob(ctx, repo, int64(len(body)), oci.SHA256.Sum(body), bytes.NewReader(body))
		})
		s.must(s.as(s.clear, "robot:blobs").PutBlob(s.t.Context(), repo, int64(len(body)), oci.SHA256.Sum(body), bytes.NewReader(body)))
		after := s.look()
		s.real, s.now = append(s.real, s.now.become(after, "robot:blobs")...), after
	}
}

// next is one thing of many.
func (s *story) next() deed {
	repo, body := storyRepos[s.IntN(2)], s.bodies[s.IntN(len(s.bodies))]
	d, tag := oci.SHA256.Sum(body), storyTags[s.IntN(len(storyTags))]
	p := registry.ManifestPush{Repo: repo, Ref: oci.Reference{Digest: d}, Body: body}
	switch s.IntN(12) {
	case 0, 1:
		return func(ctx context.Context, r *registry.Registry) error {
			return r.DeleteManifest(ctx, repo, d, registry.Precondition{})
		}
	case 2:
		return func(ctx context.Context, r *registry.Registry) error {
			return r.DeleteTag(ctx, repo, tag, registry.Precondition{})
		}
	case 3: // refused wherever the tag is there
		p.Ref, p.If = oci.Reference{Tag: tag}, registry.Precondition{NoneMatch: true}
	case 4: // refused, but for one body
		p.Ref, p.If = oci.Reference{Tag: tag}, registry.Precondition{Match: []oci.Digest{oci.SHA256.Sum(s.bodies[0])}}
	case 5:
		return func(ctx context.Context, r *registry.Registry) error {
			return r.Mount(ctx, "team/mounted", repo, oci.SHA256.Sum(emptyBlob))
		}
	case 6: // three of these, and its deletion takes more than one transaction
		for n := range registry.MaxTagsPerPush {
			p.Tags = append(p.Tags, fmt.Sprint("many-", s.IntN(3)*registry.MaxTagsPerPush+n))
		}
	case 7, 8, 9:
		p.Ref, p.Tags = oci.Reference{Tag: tag}, storyTags[:s.IntN(len(storyTags))]
	}
	return func(ctx context.Context, r *registry.Registry) error {
		_, err := r.PutManifest(ctx, p)
		return err
	}
}

// shuffled is the order in which a stream may hand out changes: that of each item
// stays.
func (s *story) shuffled(changes []table.Change) []table.Change {
	queues := map[table.Key][]table.Change{}
	keys := make([]table.Key, 0, len(changes))
	for _, c := range changes {
		queues[c.Key] = append(queues[c.Key], c)
		keys = append(keys, c.Key)
	}
	s.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	out := make([]table.Change, 0, len(changes))
	for _, key := range keys {
		out, queues[key] = append(out, queues[key][0]), queues[key][1:]
	}
	return out
}

// deliver has the changes told in runs, some of them twice, to publishers of which
// one fails in every way. It returns all that these got.
func (s *story) deliver(changes []table.Change) []announce.Event {
	flaky := &tape{fail: func(events []announce.Event) error {
		switch s.IntN(6) {
		case 0: // it has taken all, and is killed before it can say so
			return errLost
		case 1:
			return errFull
		case 2:
			failed := s.Perm(len(events))[:1+s.IntN(len(events))]
			slices.Sort(failed)
			return &announce.Unpublished{Failed: failed, Err: errFull}
		}
		return nil
	}}
	var sound tape
	a := announce.Announcer{Source: "https://registry.example", Registry: s.clear, To: []announce.Publisher{&sound, flaky}, Log: quiet()}
	for at := 0; at < len(changes); {
		run := changes[at:min(at+1+s.IntN(250), len(changes))]
		done, err := a.Announce(s.t.Context(), run)
		if done < 0 || done > len(run) || (err == nil) != (done == len(run)) || err != nil && !errors.Is(err, errFull) && !errors.Is(err, errLost) {
			s.t.Fatalf("%d of %d done, %v", done, len(run), err)
		}
		if at += done; s.IntN(8) == 0 {
			at -= s.IntN(at + 1) // what was acknowledged comes again all the same
		}
	}
	s.same(sound.events, flaky.events)
	return flaky.events
}

// same checks that two publishers have been told of the same.
func (s *story) same(one, two []announce.Event) {
	ids := func(events []announce.Event) map[string]bool {
		out := map[string]bool{}
		for _, e := range events {
			out[e.ID] = true
		}
		return out
	}
	if !maps.Equal(ids(one), ids(two)) {
		s.t.Errorf("one publisher was told of %d events, the other of %d", len(ids(one)), len(ids(two)))
	}
}

// TestStory holds the events of a long story to what could be seen of it from
// outside: one id for each change that was real, however often it was told, and
// none for what was refused, failed, or changed nothing.
func TestStory(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newStory(t, seed)
			recording := record(t, s.tab)
			for _, repo := range storyRepos {
				s.bring(repo)
			}
			for n := range 150 {
				s.try([]string{"", "user:alice", "robot:ci"}[n%3], s.next())
			}
			changes := recording.stop(t, s.tab)
			events := s.deliver(s.shuffled(changes))
			told, seen := map[string]string{}, map[string]bool{} // by id, and the types
			for _, e := range events {
				if err := valid(mustJSON(t, e)); err != nil {
					t.Fatal(err)
				}
				text, err := said(e)
				if err != nil {
					t.Fatal(err)
				}
				if before, ok := told[e.ID]; ok && before != text {
					t.Errorf("id %s is of %q and of %q", e.ID, before, text)
				}
				told[e.ID], seen[e.Type] = text, true
			}
			got, want := slices.Sorted(maps.Values(told)), slices.Sorted(slices.Values(s.real))
			if !slices.Equal(got, want) {
				t.Errorf("told of %d, %d were real:\n%s", len(got), len(want), differ(got, want))
			}
			if len(seen) != len(kinds) {
				t.Errorf("it is a story without some types of events, only with %v", seen)
			}
			t.Logf("%d changes of items, %d events, %d of them distinct", len(changes), len(events), len(told))
		})
	}
}

// differ says what only one of two lists has.
func differ(got, want []string) string {
	count := map[string]int{}
	for _, line := range got {
		count[line]++
	}
	for _, line := range want {
		count[line]--
	}
	var out bytes.Buffer
	for _, line := range slices.Sorted(maps.Keys(count)) {
		if n := count[line]; n != 0 {
			fmt.Fprintf(&out, "%+d %s\n", n, line)
		}
	}
	return out.String()
}
