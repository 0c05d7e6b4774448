package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// TestDirectModel has some people do random things with a few blobs for weeks, and
// holds every answer to a model that has neither a table nor a store. Every second
// time uploads are verified by somebody else.
func TestDirectModel(t *testing.T) {
	told := map[string]int{}
	for seed := range uint64(200) {
		m := newModel(t, seed, told)
		for step := range 300 {
			what := m.step()
			if m.log = append(m.log, what); t.Failed() {
				t.Fatalf("seed %d, step %d of %q", seed, step, m.log)
			}
		}
		if m.end(); t.Failed() {
			t.Fatalf("seed %d, in the end of %q", seed, m.log)
		}
	}
	for _, word := range []string{"present", "upload, open", "resumed", "upload, verifying", "done", "incomplete", "wrong", "unknown", "lost", "as another"} {
		if told[word] < 20 {
			t.Errorf("%q was the answer %d times: the model has become dull", word, told[word])
		}
	}
}

// A model is what somebody who knows the protocol, and nothing else, thinks is
// there.
type model struct {
	*rand.Rand
	quay
	*clock
	all   *registry.Registry
	rules []blobstest.LifecycleRule
	told  map[string]int
	log   []string

	elsewhere bool
	uploads   map[string]*modelled // by who and id
	order     []string             // of these, as they were first begun: ids are never the same twice
	blobs     map[oci.Digest][]byte
	sent      map[string]time.Time // by who and digest: until when
}

// A modelled upload.
type modelled struct {
	who, id    string
	digest     oci.Digest
	size       int64
	one        bool // PUT
	parts      map[int][]byte
	gone       bool // what is in the store is
	state      direct.State
	found      oci.Digest
	begun, end time.Time
}

var contents = [][]byte{{}, []byte("x"), parcel, chest, crate}

func newModel(t *testing.T, seed uint64, told map[string]int) *model {
	c := newClock()
	o := registry.Options{Now: c.now}
	m := &model{
		Rand: rand.New(rand.NewPCG(seed, 5)), clock: c, told: told, elsewhere: seed%2 == 1,
		uploads: map[string]*modelled{}, blobs: map[oci.Digest][]byte{}, sent: map[string]time.Time{},
	}
	if m.elsewhere {
		o.VerifyInline, o.Verify = 1, func(context.Context, string, string) error { return nil }
	}
	memory := blobstest.NewMemory(blobstest.MemoryOptions{Now: c.now, MinPart: 8, MaxSum: 50})
	m.quay = quay{newTeamOn(t, newMemTable(), memory, o), memory}
	m.all = m.quay.reg.Tiny()
	var err error
	if m.rules, err = blobstest.LifecycleRules("../../infra/state.yaml", 7); err != nil {
		t.Fatal(err)
	}
	return m
}

// be makes somebody the one who asks: alice and bob see a tag, carol everything.
func (m *model) be(who string) {
	rights := limited(who)
	if who == "carol" {
		rights.Pull = registry.AllTags()
	}
	m.quay.reg = m.all.For(rights)
}

func pick[T any](m *model, from ...T) T { return from[m.IntN(len(from))] }

// step is one thing that somebody does.
func (m *model) step() string {
	who := pick(m, "alice", "bob", "carol")
	m.be(who)
	if m.IntN(3) == 0 || len(m.uploads) == 0 {
		return m.begin(who, pick(m, contents...))
	}
	u := m.uploads[pick(m, m.order...)]
	if m.IntN(4) > 0 { // most often one's own that can be gone on with
		u = m.open(who, u)
	}
	known := u.who == who && !u.end.Before(m.Time) && u.state != ""
	switch m.IntN(16) {
	case 0:
		return m.abort(u, known)
	case 1:
		return m.wait()
	case 2, 10:
		return m.lose(u)
	case 3:
		return m.remove(pick(m, contents...))
	case 4, 5:
		return m.verify(u)
	case 6:
		return m.look(u, known)
	case 7, 8, 9:
		return m.complete(u, known)
	}
	what := m.put(u, known)
	for range m.IntN(4) {
		what += ", " + m.put(u, known)
	}
	return what
}

// open is an upload of somebody's that takes parts, if there is one.
func (m *model) open(who string, or *modelled) *modelled {
	for _, key := range m.order {
		if u := m.uploads[key]; u.who == who && (u.state == direct.Open || u.state == direct.Verifying) && !u.end.Before(m.Time) && m.IntN(2) == 0 {
			return u
		}
	}
	return or
}

// expect holds an answer to what the model says, and keeps count of the word for
// it.
func (m *model) expect(word string, got, want any) {
	m.Helper()
	m.told[word]++
	if fmt.Sprint(got) != fmt.Sprint(want) {
		m.Errorf("%s: got %v, want %v", word, got, want)
	}
}

// refused holds an error to a kind.
func (m *model) refused(word string, err, want error) {
	m.Helper()
	m.told[word]++
	if !errors.Is(err, want) {
		m.Errorf("%s: got %v, want %v", word, err, want)
	}
}

func (m *model) sees(who string, d oci.Digest) bool {
	_, here := m.blobs[d]
	return here && (who == "carol" || m.sent[who+string(d)].After(m.Time))
}

func (m *model) until(u *modelled) time.Time {
	if last := u.begun.Add(7 * 24 * time.Hour); last.Before(m.Add(48 * time.Hour)) {
		return last
	}
	return m.Add(48 * time.Hour)
}

// renew is what it does to an upload to be worked on.
func (m *model) renew(u *modelled) {
	if end := m.until(u); !end.Before(u.end.Add(time.Hour)) {
		u.end = end
	}
}

func (m *model) begin(who string, body []byte) string {
	w := wanted(body)
	if m.IntN(3) == 0 {
		w.Digest = ""
		w.Size = pick(m, w.Size, -1)
	} else if m.IntN(20) == 0 {
		w.Size++
	}
	b := m.quay.begin(w)
	what := fmt.Sprintf("%s begins %.12s of %d bytes", who, w.Digest, w.Size)
	if m.sees(who, w.Digest) {
		m.expect("present", b.State, direct.Present)
		return what
	}
	if b.Upload == nil {
		m.Errorf("got %+v, want an upload", b)
		return what
	}
	key := who + b.Upload.ID
	u := m.uploads[key]
	switch {
	case u != nil && !u.end.Before(m.Time) && u.state == direct.Verifying:
		m.expect("upload, verifying", b.Upload.State, direct.Verifying)
		return what
	case u != nil && !u.end.Before(m.Time) && u.state == direct.Open && u.size == w.Size && (u.one || !u.gone):
		m.renew(u)
		m.expect("resumed", b.Upload.Received, u.received())
		return what
	}
	u = &modelled{
		who: who, id: b.Upload.ID, digest: w.Digest, size: w.Size, one: w.Digest != "" && w.Size <= 20,
		parts: map[int][]byte{}, state: direct.Open, begun: m.Time, end: m.Add(48 * time.Hour),
	}
	if m.uploads[key] == nil {
		m.order = append(m.order, key)
	}
	m.uploads[key] = u
	m.expect("upload, open", fmt.Sprint(b.Upload.State, b.Upload.Received, b.Upload.Put != nil), fmt.Sprint(direct.Open, u.received(), u.one))
	return what
}

// received is what a status lists of an upload.
func (u *modelled) received() []direct.Part {
	var out []direct.Part
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		out = append(out, partOf(n, u.parts[n]))
	}
	return out
}

// put sends a piece of some content as some part.
func (m *model) put(u *modelled, known bool) string {
	body, n := pick(m, contents...), 1+m.IntN(3)
	if m.IntN(4) > 0 { // most often the right one
		for _, c := range contents {
			if oci.SHA256.Sum(c) == u.digest || u.digest == "" && int64(len(c)) == u.size {
				body = c
			}
		}
		n = 1 + len(u.parts)
	}
	from := min(20*(n-1), len(body))
	piece := body[from:min(from+20, len(body))]
	if m.IntN(6) == 0 {
		piece = bytes.ToUpper(piece)
	}
	what := fmt.Sprintf("part %d of %d bytes", n, len(piece))
	if len(piece) == 0 && !u.one {
		return "nothing"
	}
	err := m.sendOne(u.id, n, piece)
	var answer *blobstest.Refusal
	switch {
	case !known || u.state != direct.Open:
		m.refused("unknown", err, oci.ErrUploadUnknown)
		return what
	case u.one && (n != 1 || oci.SHA256.Sum(piece) != u.digest || int64(len(piece)) != u.size), u.size >= 0 && int64(len(piece)) > u.size:
		m.refused("another part", err, oci.ErrUploadInvalid)
		return what
	}
	m.renew(u)
	if u.one && u.parts[1] != nil || !u.one && u.gone {
		m.expect("refused by the store", errors.As(err, &answer), true)
		return what
	}
	u.parts[n] = piece
	m.expect("taken", err, nil)
	return what
}

func (m *model) complete(u *modelled, known bool) string {
	body := bytes.Join(slices.Collect(func(yield func([]byte) bool) {
		for _, n := range slices.Sorted(maps.Keys(u.parts)) {
			if !yield(u.parts[n]) {
				return
			}
		}
	}), nil)
	d, size := oci.SHA256.Sum(body), int64(len(body))
	switch m.IntN(8) {
	case 0:
		other := pick(m, contents...)
		d, size = oci.SHA256.Sum(other), int64(len(other))
	case 1:
		d = oci.SHA512.Sum(body)
	case 2, 3, 4, 5, 6:
		if u.digest != "" {
			d, size = u.digest, u.size
		}
	}
	s, err := m.quay.complete(u.id, d, int(size))
	what := fmt.Sprintf("complete as %.12s of %d bytes", d, size)
	switch {
	case !known, u.state != direct.Open && u.digest != d:
		m.refused("unknown", err, oci.ErrUploadUnknown)
	case u.digest != "" && u.digest != d:
		m.refused("as another", err, oci.ErrDigestInvalid)
	case u.size >= 0 && u.size != size:
		m.refused("as another", err, oci.ErrSizeInvalid)
	case u.state == direct.Open && !u.one && u.gone:
		m.refused("unknown", err, oci.ErrUploadUnknown)
	case u.state == direct.Open && !u.adds(size):
		m.refused("incomplete", err, oci.ErrUploadInvalid)
	default:
		if u.state == direct.Open {
			u.state, u.digest, u.size, u.end = direct.Verifying, d, size, m.until(u)
		}
		if u.state == direct.Verifying && (!m.elsewhere || size <= 1) {
			m.settle(u)
		}
		m.completed(u, s, err)
	}
	return what
}

// completed holds what is told of an upload that was completed.
func (m *model) completed(u *modelled, s direct.Status, err error) {
	m.Helper()
	switch {
	case u.state == direct.Failed && u.found == "":
		m.refused("told that it is lost", err, oci.ErrUploadInvalid)
	case u.state == direct.Failed:
		m.refused("told that it is wrong", err, oci.ErrDigestInvalid)
	default:
		m.expect(string(u.state), fmt.Sprint(s.State, err), fmt.Sprint(u.state, nil))
	}
}

// adds says whether the parts make so many bytes.
func (u *modelled) adds(size int64) bool {
	total := int64(0)
	for n := range len(u.parts) {
		piece, ok := u.parts[n+1]
		if !ok || len(piece) < 8 && n < len(u.parts)-1 {
			return false
		}
		total += int64(len(piece))
	}
	return total == size
}

// settle is what a verification comes to.
func (m *model) settle(u *modelled) {
	var body []byte
	for n := range len(u.parts) {
		body = append(body, u.parts[n+1]...)
	}
	found := oci.AlgorithmOf(u.digest).Sum(body)
	switch u.end = m.Add(2 * time.Hour); {
	case u.gone && u.size > 0:
		m.told["lost"]++
		u.state, u.found = direct.Failed, ""
	case found != u.digest:
		m.told["wrong"]++
		u.state, u.found = direct.Failed, found
	default:
		u.state = direct.Done
		m.blobs[u.digest] = body
		if u.who != "carol" {
			m.sent[u.who+string(u.digest)] = m.Add(24 * time.Hour)
		}
	}
}

func (m *model) verify(u *modelled) string {
	m.expect("verified", m.all.VerifyDirect(m.Context(), home, u.id), nil)
	if u.state == direct.Verifying && !u.end.Before(m.Time) {
		m.settle(u)
	}
	return "verify " + u.id
}

func (m *model) look(u *modelled, known bool) string {
	s, err := m.status(u.id, 0)
	switch {
	case !known, u.state == direct.Open && !u.one && u.gone:
		m.refused("unknown", err, oci.ErrUploadUnknown)
	case u.state == direct.Open:
		m.expect("open", fmt.Sprint(s.State, s.Received, err), fmt.Sprint(u.state, u.received(), nil))
	default:
		m.expect("status", fmt.Sprint(s.State, s.Found, err), fmt.Sprint(u.state, u.found, nil))
	}
	return "look"
}

func (m *model) abort(u *modelled, known bool) string {
	err := m.quay.reg.AbortDirect(m.Context(), home, u.id)
	if !known || u.state != direct.Open && u.state != direct.Verifying {
		m.refused("unknown", err, oci.ErrUploadUnknown)
		return "abort what is not there"
	}
	u.state = ""
	m.expect("aborted", err, nil)
	return "abort " + u.id
}

func (m *model) wait() string {
	m.pass(pick(m, time.Minute, time.Minute, time.Hour, 3*time.Hour, 20*time.Hour))
	return "wait"
}

// lose takes away what the store has of an upload.
func (m *model) lose(u *modelled) string {
	if u.state != direct.Verifying && m.IntN(4) > 0 {
		return "nothing"
	}
	item, err := m.table.Get(m.Context(), in(home, "direct#"+u.id))
	if err != nil || !item.Has("object") {
		return "nothing"
	}
	if err := m.store.Abort(m.Context(), blobs.Upload{Key: item.Str("object")}); err != nil {
		m.Error(err)
	}
	if u.one && u.state == direct.Open {
		u.parts = map[int][]byte{} // it can be sent again
	} else {
		u.gone = true
	}
	return "lose " + u.id
}

func (m *model) remove(body []byte) string {
	for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		d := a.Sum(body)
		err := m.all.DeleteBlob(m.Context(), home, d)
		_, here := m.blobs[d]
		m.expect("removed", err == nil, here)
		delete(m.blobs, d)
	}
	return "remove"
}

// end has the broom come, and looks at what is left.
func (m *model) end() {
	m.pass(10 * 24 * time.Hour)
	if _, err := blobstest.Sweep(m.Context(), m.store, m.rules, m.now()); err != nil {
		m.Fatal(err)
	}
	m.quay.reg = m.all
	objects := 0
	for d, body := range m.blobs {
		m.serves(d, body)
		if len(body) > 0 {
			objects++
		}
	}
	for _, body := range contents {
		for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
			_, want := m.blobs[a.Sum(body)]
			if _, err := m.all.Blob(m.Context(), home, a.Sum(body)); (err == nil) != want {
				m.Errorf("blob of %d bytes by %s: %v, want it there %v", len(body), a, err, want)
			}
		}
	}
	m.leaves(objects)
}
