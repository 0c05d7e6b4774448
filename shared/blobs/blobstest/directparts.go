package blobstest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

// sent is an upload in parts, as its client sees it.
type sent struct {
	store blobs.Direct
	key   string
	id    string
	body  []byte // of the parts that were sent in order
}

func beginParts(t testing.TB, store blobs.Store, key string) *sent {
	t.Helper()
	d := direct(t, store)
	id, err := d.BeginParts(t.Context(), key)
	if err != nil {
		t.Fatalf("begin parts: %v", err)
	}
	return &sent{store: d, key: key, id: id}
}

// sendParts begins an upload and sends parts of these sizes.
func sendParts(t *testing.T, store blobs.Store, key string, sizes ...int) *sent {
	t.Helper()
	s := beginParts(t, store, key)
	for i, size := range sizes {
		body := Bytes(uint64(i+1), size)
		s.send(t, i+1, body)
		s.body = append(s.body, body...)
	}
	return s
}

// at returns where a part goes.
func (s *sent) at(t testing.TB, number int, body []byte, valid time.Duration) written {
	t.Helper()
	sum := sha256.Sum256(body)
	url, header, err := s.store.PartURL(t.Context(), s.key, s.id, blobs.Part{Number: number, Size: int64(len(body)), SHA256: sum[:]}, valid)
	if err != nil {
		t.Fatalf("part url: %v", err)
	}
	return written{url, header}
}

func (s *sent) send(t *testing.T, number int, body []byte) {
	t.Helper()
	if resp := s.at(t, number, body, ample).put(t, body); resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT of part %d, %d bytes: got %s", number, len(body), resp.Status)
	}
}

// parts lists all that are there.
func (s *sent) parts(t testing.TB) (all []blobs.Part) {
	t.Helper()
	for more := true; more; {
		after := 0
		if len(all) > 0 {
			after = all[len(all)-1].Number
		}
		var page []blobs.Part
		var err error
		if page, more, err = s.store.Parts(t.Context(), s.key, s.id, after); err != nil {
			t.Fatalf("parts after %d: %v", after, err)
		}
		if len(page) > 1000 || more && len(page) == 0 || len(page) > 0 && page[0].Number <= after {
			t.Fatalf("parts after %d: got %d of them, and more: %t", after, len(page), more)
		}
		all = append(all, page...)
	}
	return all
}

// join joins what is there, and that again where it is joined already.
func (s *sent) join(t testing.TB) {
	t.Helper()
	parts, _, err := s.store.Parts(t.Context(), s.key, s.id, 0)
	if errors.Is(err, blobs.ErrUploadLost) {
		return
	}
	if err == nil {
		err = s.store.Join(t.Context(), s.key, s.id, parts)
	}
	if err != nil {
		t.Fatalf("join: %v", err)
	}
}

func (s *sent) wantNone(t testing.TB) {
	t.Helper()
	if _, _, err := s.store.Parts(t.Context(), s.key, s.id, 0); !errors.Is(err, blobs.ErrUploadLost) {
		t.Errorf("parts: got error %v, want ErrUploadLost", err)
	}
}

func partsMakeObject(t *testing.T, store blobs.Store) {
	s := beginParts(t, store, newKey())
	bodies := [][]byte{Bytes(1, part+3), Bytes(2, part), Bytes(3, 10)}
	for _, i := range []int{2, 0, 1} {
		s.send(t, i+1, bodies[i])
	}
	whole := bytes.Join(bodies, nil)
	wantAbsent(t, store, s.key, int64(len(whole)))
	s.join(t)
	wantObject(t, store, s.key, whole)
}

func partAlone(t *testing.T, store blobs.Store) {
	for _, size := range []int{1, 100, part, part + 1} {
		s := sendParts(t, store, newKey(), size)
		s.join(t)
		wantObject(t, store, s.key, s.body)
	}
}

func partAgain(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), part, 10)
	before := s.parts(t)
	s.send(t, 1, Bytes(1, part)) // the same, whose answer was lost
	s.send(t, 2, []byte("other"))
	wantLost(t, s.store.Join(t.Context(), s.key, s.id, before))
	wantAbsent(t, store, s.key, part+10)
	s.join(t)
	wantObject(t, store, s.key, append(s.body[:part:part], "other"...))
}

func partsListed(t *testing.T, store blobs.Store) {
	s := beginParts(t, store, newKey())
	if got := s.parts(t); len(got) != 0 {
		t.Fatalf("parts of a new upload: got %d", len(got))
	}
	var numbers []int
	for i := range 1003 {
		numbers = append(numbers, 2*i+5)
	}
	for _, number := range slices.Backward(numbers) {
		s.send(t, number, Bytes(uint64(number), number%7+1))
	}
	all := s.parts(t)
	if len(all) != len(numbers) {
		t.Fatalf("parts: got %d, want %d", len(all), len(numbers))
	}
	for i, got := range all {
		sum := sha256.Sum256(Bytes(uint64(numbers[i]), numbers[i]%7+1))
		if got.Number != numbers[i] || got.Size != int64(numbers[i]%7+1) || !bytes.Equal(got.SHA256, sum[:]) || got.Tag == "" {
			t.Fatalf("part %d: got %+v, want number %d, sum %x", i, got, numbers[i], sum)
		}
	}
	if page, more, err := s.store.Parts(t.Context(), s.key, s.id, numbers[1000]-1); err != nil || more || len(page) != 3 {
		t.Errorf("the last page: got %d parts, more %t, error %v, want 3", len(page), more, err)
	}
}

func partNumbers(t *testing.T, store blobs.Store) {
	s := beginParts(t, store, newKey())
	for _, number := range []int{0, -1, 10_001} {
		sum := sha256.Sum256([]byte("abc"))
		url, header, err := s.store.PartURL(t.Context(), s.key, s.id, blobs.Part{Number: number, Size: 3, SHA256: sum[:]}, ample)
		if err == nil { // the store may leave it to the PUT
			wantRefused(t, written{url, header}.put(t, []byte("abc")))
		}
	}
	s.send(t, 10_000, Bytes(2, 10))
	s.send(t, 1, Bytes(1, part))
	s.join(t)
	wantObject(t, store, s.key, append(Bytes(1, part), Bytes(2, 10)...))
}

// uploadsApart is a begin whose answer was lost, and was done again.
func uploadsApart(t *testing.T, store blobs.Store) {
	key := newKey()
	one, two := sendParts(t, store, key, part, 10), sendParts(t, store, key, part)
	if got, want := len(one.parts(t)), 2; got != want {
		t.Errorf("parts of the first upload: got %d, want %d", got, want)
	}
	wantLost(t, two.store.Join(t.Context(), key, two.id, one.parts(t)))
	one.join(t)
	wantLost(t, two.store.Join(t.Context(), key, two.id, two.parts(t)))
	wantObject(t, store, key, one.body)
}

func partsOfNone(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), 10)
	for _, other := range []sent{{s.store, newKey(), s.id, nil}, {s.store, s.key, "no-such-upload", nil}} {
		other.wantNone(t)
		wantLost(t, s.store.Join(t.Context(), other.key, other.id, s.parts(t)))
		wantRefused(t, other.at(t, 1, []byte("abc"), ample).put(t, []byte("abc")))
	}
	s.join(t)
	wantObject(t, store, s.key, s.body)
}
