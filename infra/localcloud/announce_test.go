package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A story is what is done in a registry, and the events that it must come out
// as: each once, for whoever drops those whose id it has seen. It is the oracle
// of these tests, and knows nothing but what was answered.
type story struct {
	*client
	persistent bool // what fails is tried again

	mu     *sync.Mutex
	events map[string]int // that must come, by line
}

func newStory(c *client) *story {
	return &story{client: c, mu: &sync.Mutex{}, events: map[string]int{}}
}

// in is the same story told by another test.
func (s *story) in(t *testing.T) *story {
	c := *s.client
	c.t = t
	return &story{client: &c, persistent: s.persistent, mu: s.mu, events: s.events}
}

// expect notes an event that must come. What follows the subject tells those of
// one subject apart.
func (s *story) expect(kind, subject string, more ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[line(kind, subject, more...)]++
}

func line(kind, subject string, more ...string) string {
	return strings.TrimSpace("dev.berth." + kind + " " + subject + " " + strings.Join(more, " "))
}

// must is want, again and again if the story is persistent. What a delete is for
// may be gone by then: the answer of the first time was lost.
func (s *story) must(status int, method, path string, body []byte, headers ...string) {
	s.t.Helper()
	if !s.persistent {
		s.want(status, method, path, body, headers...)
		return
	}
	for try := range 200 {
		r := s.do(method, path, body, headers...)
		if r.status == status || try > 0 && method == "DELETE" && r.status == 404 {
			return
		}
	}
	s.t.Fatalf("%s %s: two hundred tries were not enough", method, path)
}

// begin makes a repository, by the blob of all manifests of these tests.
func (s *story) begin(repo string) {
	s.t.Helper()
	config := []byte("{}")
	s.must(201, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+digest(config), config, "Content-Type", "application/octet-stream")
	s.expect("repository.created", repo)
}

// push pushes a manifest that is nobody else's. Its name is its digest, or a tag
// that is not there yet.
func (s *story) push(repo, tag string, fields map[string]any) []byte {
	s.t.Helper()
	m := image([]byte("{}"), nil, merged(fields, map[string]any{"annotations": map[string]string{"n": digest(noise(8))}}))
	name := tag
	if name == "" {
		name = digest(m)
	}
	s.must(201, "PUT", "/v2/"+repo+"/manifests/"+name, m, "Content-Type", imageType)
	s.expect("manifest.pushed", repo+"@"+digest(m))
	if tag != "" {
		s.expect("tag.created", repo+":"+tag, digest(m))
	}
	return m
}

func merged(all ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, one := range all {
		maps.Copy(out, one)
	}
	return out
}

// attach pushes an artifact on a subject.
func (s *story) attach(repo string, subject []byte) []byte {
	s.t.Helper()
	m := s.push(repo, "", map[string]any{
		"artifactType": "application/vnd.example.sbom", "subject": describe(imageType, subject),
	})
	s.expect("referrer.attached", repo+"@"+digest(subject), digest(m))
	return m
}

// again pushes what is there. Nothing happens.
func (s *story) again(repo, name string, manifest []byte) {
	s.t.Helper()
	s.must(201, "PUT", "/v2/"+repo+"/manifests/"+name, manifest, "Content-Type", imageType)
}

// move has a tag name another manifest, which is there.
func (s *story) move(repo, tag string, to []byte) {
	s.t.Helper()
	s.again(repo, tag, to)
	s.expect("tag.moved", repo+":"+tag, digest(to))
}

func (s *story) untag(repo, tag string, from []byte) {
	s.t.Helper()
	s.must(202, "DELETE", "/v2/"+repo+"/manifests/"+tag, nil)
	s.expect("tag.deleted", repo+":"+tag, digest(from))
}

// detach deletes an artifact.
func (s *story) detach(repo string, artifact, subject []byte) {
	s.t.Helper()
	s.must(202, "DELETE", "/v2/"+repo+"/manifests/"+digest(artifact), nil)
	s.expect("manifest.deleted", repo+"@"+digest(artifact))
	s.expect("referrer.detached", repo+"@"+digest(subject), digest(artifact))
}

// An announced is an event as the bus has taken it, or as somebody got it.
type announced struct {
	ID, Type, Subject, Source, PartitionKey string
	SpecVersion, DataSchema                 string
	Time                                    time.Time
	Data                                    struct {
		Digest   string
		Referrer struct{ Digest string }
	}
}

func (a announced) line() string {
	kind := strings.TrimPrefix(a.Type, "dev.berth.")
	switch {
	case a.Data.Referrer.Digest != "":
		return line(kind, a.Subject, a.Data.Referrer.Digest)
	case strings.HasPrefix(kind, "tag."):
		return line(kind, a.Subject, a.Data.Digest)
	}
	return line(kind, a.Subject)
}

func readAnnounced(t *testing.T, text []byte) announced {
	t.Helper()
	var a announced
	decode(t, reply{body: text}, &a)
	if a.SpecVersion != "1.0" || a.ID == "" || a.Source == "" || a.PartitionKey == "" || a.DataSchema == "" || a.Time.IsZero() {
		t.Errorf("not a whole event: %s", text)
	}
	return a
}

// A listener drops the events whose id it has seen.
type listener struct {
	t        *testing.T
	seen     map[string]announced
	got      map[string]int // by line
	repeated int
}

func newListener(t *testing.T) *listener {
	return &listener{t: t, seen: map[string]announced{}, got: map[string]int{}}
}

func (l *listener) hear(text []byte) {
	l.t.Helper()
	a := readAnnounced(l.t, text)
	if before, known := l.seen[a.ID]; known {
		if l.repeated++; before.line() != a.line() || before.Source != a.Source {
			l.t.Errorf("the id %s is of %s at %s and of %s at %s", a.ID, before.line(), before.Source, a.line(), a.Source)
		}
		return
	}
	l.seen[a.ID] = a
	l.got[a.line()]++
}

// A busReader hears what the bus has taken.
type busReader struct {
	*listener
	cloud *cloud
	read  int
}

func (c *cloud) reader(t *testing.T) *busReader { return &busReader{newListener(t), c, 0} }

func (r *busReader) catchUp() {
	r.t.Helper()
	for {
		taken := r.cloud.bus.Taken(r.read, 1000)
		if len(taken) == 0 {
			return
		}
		for _, one := range taken {
			if one.Source != "dev.berth" || one.Bus != r.cloud.stack.Buses[0].Name {
				r.t.Errorf("on the bus %s there is an event of %s", one.Bus, one.Source)
			}
			r.hear([]byte(one.Detail))
		}
		r.read += len(taken)
	}
}

// wantAll waits until all that the story expects was heard, and a second more for
// what must not come.
func (r *busReader) wantAll(s *story) {
	r.t.Helper()
	want := 0
	for _, n := range s.events {
		want += n
	}
	for last := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		before := r.read
		if r.catchUp(); r.read != before {
			last = time.Now()
		}
		idle := time.Since(last)
		if len(r.seen) >= want && idle > time.Second || idle > time.Minute {
			break
		}
	}
	r.compare(s.events)
}

func (l *listener) compare(want map[string]int) {
	l.t.Helper()
	const most = 10
	shown := 0
	for _, of := range slices.Sorted(maps.Keys(merge(want, l.got))) {
		if l.got[of] != want[of] {
			if shown++; shown <= most {
				l.t.Errorf("%s: %d distinct events, want %d", of, l.got[of], want[of])
			}
		}
	}
	if shown > most {
		l.t.Errorf("and %d others", shown-most)
	}
}

func merge(all ...map[string]int) map[string]int {
	out := map[string]int{}
	for _, one := range all {
		maps.Copy(out, one)
	}
	return out
}

// tell does everything of which there is an event, and some of which there is
// none, in a repository.
func (s *story) tell(repo string) {
	s.t.Helper()
	s.begin(repo)
	first := s.push(repo, "v1", nil)
	s.again(repo, "v1", first)
	s.again(repo, digest(first), first)
	sbom := s.attach(repo, first)
	s.again(repo, digest(sbom), sbom)
	signature := s.attach(repo, sbom) // of what refers itself
	second := s.push(repo, "v2", nil)
	s.move(repo, "v1", second)
	s.again(repo, "v1", second)
	s.untag(repo, "v2", second)
	s.detach(repo, signature, sbom)
	s.attach(repo, second)
}

// Each change is told once, and what changes nothing is not.
func TestAnnounce(t *testing.T) {
	cl := newCloud(t)
	s := newStory(newClient(t, cl.registryURL))
	s.tell("team/app")
	r := cl.reader(t)
	r.wantAll(s)
	if r.repeated > 0 {
		t.Errorf("%d events came twice, and nothing went wrong", r.repeated)
	}
	for _, u := range cl.actions()["Announce"] {
		if u.Refused > 0 {
			t.Errorf("refused: %+v", u)
		}
	}
}

// Whatever goes wrong on the way, a listener who drops repeats hears of each
// change once and misses none. The stream has four shards, so that changes of
// different items overtake each other.
func TestAnnounceDespite(t *testing.T) {
	for name, faults := range map[string]map[string]string{
		"nothing":         {},
		"batches twice":   {repeatBatch: ""},
		"batches late":    {delayBatch: "rate=0.5&delay=300ms"},
		"entries refused": {refuseEvent: "rate=0.3"},
		"answers lost":    {loseAnswer: "rate=0.3"},
		"bus throttled":   {throttleBus: "rate=0.3"},
		"function killed": {killEnvironment: "rate=0.4&function=Announce"},
		"anybody killed":  {killEnvironment: "rate=0.2"},
		"all at once": {
			repeatBatch: "rate=0.3", delayBatch: "rate=0.3&delay=200ms", refuseEvent: "rate=0.2", loseAnswer: "rate=0.2",
			throttleBus: "rate=0.2", killEnvironment: "rate=0.2&function=Announce", throttleTable: "rate=0.05",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newCloud(t, func(cfg *config) { cfg.shards, cfg.batchRetry = 4, 20*time.Millisecond })
			for fault, parameters := range faults {
				cl.inject(t, fault, parameters)
			}
			s := newStory(newClient(t, cl.registryURL))
			s.persistent = true
			tellTogether(t, s)
			r := cl.reader(t)
			r.wantAll(s)
			for fault := range faults {
				if cl.struck(fault) == 0 {
					t.Errorf("%s never struck", fault)
				}
			}
			if r.repeated == 0 && (cl.struck(repeatBatch) > 0 || cl.struck(loseAnswer) > 0) {
				t.Error("no event came twice, which those faults are about")
			}
			if len(cl.letters()) > 0 {
				t.Errorf("there are dead letters: %s", cl.letters())
			}
		})
	}
}

// tellTogether tells a story of nine repositories, in three of them at a time.
func tellTogether(t *testing.T, s *story) {
	t.Helper()
	t.Run("told", func(t *testing.T) {
		for i := range 3 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for n := range 3 {
					s.in(t).tell(fmt.Sprintf("team/app%d-%d", i, n))
				}
			})
		}
	})
}
