package blobstest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
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
		if len(page) > 1000 || more && len(page) == 0 {
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

func partURLExpires(t *testing.T, store blobs.Store) {
	s, body := beginParts(t, store, newKey()), []byte("abc")
	at := s.at(t, 1, body, time.Second)
	expire()
	wantRefused(t, at.put(t, body))
	if got := s.parts(t); len(got) != 0 {
		t.Errorf("parts: got %d, want none", len(got))
	}
}

func partURLPlace(t *testing.T, store blobs.Store) {
	s, body := beginParts(t, store, newKey()), []byte("abc")
	other := beginParts(t, store, newKey())
	at := s.at(t, 1, body, ample)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodPost} {
		resp, _ := send(t, method, at.url, at.header, nil)
		wantRefused(t, resp)
	}
	for _, change := range [][2]string{{s.key, other.key}, {s.id, other.id}, {"partNumber=1", "partNumber=2"}, {"uploadId", "x-uploadId"}} {
		if url := strings.Replace(at.url, change[0], change[1], 1); url != at.url {
			wantRefused(t, written{url, at.header}.put(t, body))
		}
	}
	if got := len(s.parts(t)) + len(other.parts(t)); got != 0 {
		t.Errorf("parts: got %d, want none", got)
	}
	wantAbsent(t, store, s.key, 3)
}

func partURLChecksum(t *testing.T, store blobs.Store) {
	s, body, forged := beginParts(t, store, newKey()), []byte("abc"), []byte("abd")
	at := s.at(t, 1, body, ample)
	wantRefused(t, at.put(t, forged))
	// Nor does it help to send the checksum of the forgery.
	wantRefused(t, written{at.url, s.at(t, 1, forged, ample).header}.put(t, forged))
	damaged := written{at.url, at.header.Clone()}
	damaged.header.Set("X-Amz-Checksum-Sha256", "damaged")
	wantRefused(t, damaged.put(t, body))
	if got := s.parts(t); len(got) != 0 {
		t.Fatalf("parts: got %d, want none", len(got))
	}
	if resp := at.put(t, body); resp.StatusCode != http.StatusOK {
		t.Errorf("PUT: got %s", resp.Status)
	}
}

func partURLSize(t *testing.T, store blobs.Store) {
	s := beginParts(t, store, newKey())
	at := s.at(t, 1, []byte("abc"), ample)
	for _, body := range []string{"", "ab", "abcd"} {
		wantRefused(t, at.put(t, []byte(body)))
	}
	if got := s.parts(t); len(got) != 0 {
		t.Errorf("parts: got %d, want none", len(got))
	}
}

func partURLHeaders(t *testing.T, store blobs.Store) {
	s, body := beginParts(t, store, newKey()), []byte("abc")
	at := s.at(t, 1, body, ample)
	wantRefused(t, written{at.url, nil}.put(t, body))
	if got := s.parts(t); len(got) != 0 {
		t.Errorf("parts: got %d, want none", len(got))
	}
}

// joinAgain is a join whose answer was lost.
func joinAgain(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), part, 10)
	parts := s.parts(t)
	for range 3 {
		if err := s.store.Join(t.Context(), s.key, s.id, parts); err != nil {
			t.Fatalf("join: %v", err)
		}
		wantObject(t, store, s.key, s.body)
	}
	wantLost(t, s.store.Join(t.Context(), s.key, s.id, parts[:1]))
	other := slices.Clone(parts)
	other[0].SHA256 = other[1].SHA256
	wantLost(t, s.store.Join(t.Context(), s.key, s.id, other))
	wantObject(t, store, s.key, s.body)
}

// joinAtOnce is a client and its impatient retry. Some may be refused; the
// object is whole and the last word is success.
func joinAtOnce(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), part, 10)
	parts := s.parts(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if s.store.Join(t.Context(), s.key, s.id, parts) != nil {
				return
			}
			got, err := contents(t.Context(), store, s.key, int64(len(s.body)))
			if err != nil || !bytes.Equal(got, s.body) {
				t.Errorf("joined, yet not whole: %d of %d bytes, error %v", common(got, s.body), len(s.body), err)
			}
		})
	}
	wg.Wait()
	if err := s.store.Join(t.Context(), s.key, s.id, parts); err != nil {
		t.Errorf("join at last: %v", err)
	}
	wantObject(t, store, s.key, s.body)
}

func joinOthers(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), part, 20, part)
	parts := s.parts(t)
	change := func(do func(p *blobs.Part)) []blobs.Part {
		one := slices.Clone(parts[:1])
		do(&one[0])
		return one
	}
	for name, wrong := range map[string][]blobs.Part{
		"none":                   nil,
		"a small one midway":     parts,
		"out of order":           {parts[2], parts[0]},
		"one twice":              {parts[0], parts[0]},
		"one that is not there":  change(func(p *blobs.Part) { p.Number = 9 }),
		"one of another sum":     change(func(p *blobs.Part) { p.SHA256 = parts[1].SHA256 }),
		"one of another tag":     change(func(p *blobs.Part) { p.Tag = parts[1].Tag }),
		"one under another name": {parts[0], {Number: 2, Size: part, SHA256: parts[2].SHA256, Tag: parts[2].Tag}},
	} {
		if err := s.store.Join(t.Context(), s.key, s.id, wrong); !errors.Is(err, blobs.ErrUploadLost) {
			t.Errorf("%s: got error %v, want ErrUploadLost", name, err)
		}
		wantAbsent(t, store, s.key, int64(len(s.body)))
	}
	// What was refused spoils nothing.
	if err := s.store.Join(t.Context(), s.key, s.id, []blobs.Part{parts[0], parts[2]}); err != nil {
		t.Fatalf("join: %v", err)
	}
	wantObject(t, store, s.key, append(Bytes(1, part), Bytes(3, part)...))
}

func joinDoesNotReplace(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), part)
	put(t, store, s.key, []byte("abc"))
	wantLost(t, s.store.Join(t.Context(), s.key, s.id, s.parts(t)))
	wantObject(t, store, s.key, []byte("abc"))
}

func joinedIsOver(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), part)
	at := s.at(t, 2, []byte("abc"), ample)
	s.join(t)
	s.wantNone(t)
	wantRefused(t, at.put(t, []byte("abc")))
	wantObject(t, store, s.key, s.body)
}

func abortsParts(t *testing.T, store blobs.Store) {
	key := newKey()
	s, again := sendParts(t, store, key, part), sendParts(t, store, key, 10)
	parts, at := s.parts(t), s.at(t, 2, []byte("abc"), ample)
	for range 2 {
		abort(t, store, blobs.Upload{Key: key})
		s.wantNone(t)
		again.wantNone(t)
		wantRefused(t, at.put(t, []byte("abc")))
		wantLost(t, s.store.Join(t.Context(), key, s.id, parts))
		wantAbsent(t, store, key, part)
	}
}

func abortsJoined(t *testing.T, store blobs.Store) {
	s := sendParts(t, store, newKey(), part)
	parts := s.parts(t)
	s.join(t)
	abort(t, store, blobs.Upload{Key: s.key})
	wantAbsent(t, store, s.key, part)
	wantLost(t, s.store.Join(t.Context(), s.key, s.id, parts))
}
