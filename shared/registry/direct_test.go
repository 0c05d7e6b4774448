package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

const mib = 1 << 20

// A quay is a team whose blob store takes bytes from clients.
type quay struct {
	team
	store *blobstest.Memory // nil if it is at the end of the URLs
}

func newQuay(t testing.TB, o registry.Options) quay {
	store := blobstest.NewMemory(blobstest.MemoryOptions{Now: o.Now})
	return quay{newTeamOn(t, newMemTable(), store, o), store}
}

// newTinyQuay is one where blobs of a few bytes have parts of 8 to 20.
func newTinyQuay(t testing.TB, o registry.Options) quay {
	store := blobstest.NewMemory(blobstest.MemoryOptions{Now: o.Now, MinPart: 8})
	q := quay{newTeamOn(t, newMemTable(), store, o), store}
	q.reg = q.reg.Tiny()
	return q
}

// a clock is moved by hand.
type clock struct{ time.Time }

func newClock() *clock { return &clock{time.Now().Truncate(time.Second)} }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }

func wanted(body []byte) direct.Wanted {
	return direct.Wanted{Digest: oci.SHA256.Sum(body), Size: int64(len(body))}
}

// begin begins one upload.
func (q quay) begin(w direct.Wanted) direct.Blob {
	q.Helper()
	begun, err := q.reg.BeginDirect(q.Context(), q.repo, direct.Begin{Blobs: []direct.Wanted{w}})
	if err != nil {
		q.Fatalf("begin: %v", err)
	}
	return begun.Blobs[0]
}

// upload is begin of what must be sent.
func (q quay) upload(w direct.Wanted) direct.Status {
	q.Helper()
	b := q.begin(w)
	if b.State != direct.Upload {
		q.Fatalf("begin: got state %q, want an upload", b.State)
	}
	return *b.Upload
}

func partOf(number int, body []byte) direct.Part {
	return direct.Part{Number: number, Size: int64(len(body)), SHA256: oci.SHA256.Sum(body).Encoded()}
}

// send sends a body to where it is to go.
func (q quay) send(t direct.Target, body []byte) error {
	header := http.Header{}
	for name, value := range t.Header {
		header.Set(name, value)
	}
	if q.store != nil {
		return q.store.Send(t.URL, header, body)
	}
	req, err := http.NewRequestWithContext(q.Context(), http.MethodPut, t.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	header.Del("Content-Length") // net/http sets it
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the store answers %s", resp.Status)
	}
	return nil
}

// sendParts sends those parts of a body, of this size, that are not there.
func (q quay) sendParts(s direct.Status, body []byte, size int64) error {
	var parts []direct.Part
	var bodies [][]byte
	number := 0
	for piece := range slices.Chunk(body, int(size)) {
		number++
		if !slices.ContainsFunc(s.Received, func(p direct.Part) bool { return p.Number == number }) {
			parts, bodies = append(parts, partOf(number, piece)), append(bodies, piece)
		}
	}
	for len(parts) > 0 {
		n := min(len(parts), direct.MaxParts)
		signed, err := q.reg.SignParts(q.Context(), q.repo, s.ID, direct.Sign{Parts: parts[:n]})
		if err != nil {
			return err
		}
		for i, to := range signed.Parts {
			if err := q.send(to, bodies[i]); err != nil {
				return err
			}
		}
		parts, bodies = parts[n:], bodies[n:]
	}
	return nil
}

func (q quay) complete(id string, d oci.Digest, size int) (direct.Status, error) {
	return q.reg.CompleteDirect(q.Context(), q.repo, id, direct.Complete{Digest: d, Size: int64(size)})
}

func (q quay) status(id string, after int) (direct.Status, error) {
	return q.reg.DirectStatus(q.Context(), q.repo, id, after)
}

// sendOne sends one part.
func (q quay) sendOne(id string, number int, piece []byte) error {
	signed, err := q.reg.SignParts(q.Context(), q.repo, id, direct.Sign{Parts: []direct.Part{partOf(number, piece)}})
	if err != nil {
		return err
	}
	return q.send(signed.Parts[0], piece)
}

// push sends a blob as a client does for which nothing goes wrong.
func (q quay) push(body []byte) direct.Status {
	q.Helper()
	s := q.upload(wanted(body))
	if err := q.sendParts(s, body, s.PartSize); err != nil {
		q.Fatalf("send: %v", err)
	}
	s, err := q.complete(s.ID, oci.SHA256.Sum(body), len(body))
	if err != nil || s.State != direct.Done {
		q.Fatalf("complete: got state %q, %v, want done", s.State, err)
	}
	return s
}

// leaves checks that nothing of uploads is in the store beside so many objects.
func (q quay) leaves(objects int) {
	q.Helper()
	if keys, marked, uploads := q.store.Keys(), q.store.Marked(), q.store.Uploads(); len(keys) != objects || len(marked)+len(uploads) > 0 {
		q.Errorf("got objects %q, of them marked %q, and uploads %q, want %d objects", keys, marked, uploads, objects)
	}
}

// TestDirectPush: what was sent in one PUT, and in parts, is served.
func TestDirectPush(t *testing.T) {
	for _, size := range []int{4*mib + 1, 16 * mib, 16*mib + 1} {
		q := newQuay(t, registry.Options{})
		body := payload(size)
		s := q.push(body)
		q.serves(oci.SHA256.Sum(body), body)
		q.leaves(1)
		if s.Size != int64(size) || s.Verified != int64(size) {
			t.Errorf("%d bytes: got status %+v", size, s)
		}
		if b := q.begin(wanted(body)); b.State != direct.Present {
			t.Errorf("%d bytes, again: got state %q, want present", size, b.State)
		}
		if again, err := q.complete(s.ID, oci.SHA256.Sum(body), size); err != nil || again.State != direct.Done {
			t.Errorf("complete again: got %+v, %v", again, err)
		}
	}
}

// TestDirectPut: the answer to who begins a blob of one part is where it goes.
func TestDirectPut(t *testing.T) {
	c := newClock()
	q := newTinyQuay(t, registry.Options{Now: c.now})
	s := q.upload(wanted(parcel))
	if s.Put == nil || s.Parts != 1 || s.Put.Expires != c.Add(time.Hour) {
		t.Fatalf("got %+v, want a URL for an hour", s)
	}
	if err := q.send(*s.Put, bytes.ToUpper(parcel)); err == nil {
		t.Error("other bytes are taken")
	}
	c.pass(2 * time.Hour)
	if err := q.send(*s.Put, parcel); err == nil {
		t.Error("a URL works that has expired")
	}
	if _, err := q.complete(s.ID, s.Digest, len(parcel)); !errors.Is(err, oci.ErrUploadInvalid) {
		t.Errorf("complete of nothing: %v, want BLOB_UPLOAD_INVALID", err)
	}
	for _, again := range []direct.Part{partOf(2, parcel), partOf(1, parcel[1:]), partOf(1, bytes.ToUpper(parcel))} {
		if _, err := q.reg.SignParts(t.Context(), q.repo, s.ID, direct.Sign{Parts: []direct.Part{again}}); !errors.Is(err, oci.ErrUploadInvalid) {
			t.Errorf("sign part %+v: %v, want BLOB_UPLOAD_INVALID", again, err)
		}
	}
	if err := q.sendParts(s, parcel, 20); err != nil {
		t.Fatal(err)
	}
	if s = q.upload(wanted(parcel)); !slices.Equal(s.Received, []direct.Part{partOf(1, parcel)}) {
		t.Errorf("received %+v, want the one part", s.Received)
	}
	if s, err := q.complete(s.ID, s.Digest, len(parcel)); err != nil || s.State != direct.Done {
		t.Errorf("got %+v, %v", s, err)
	}
	q.leaves(1)
}

// TestDirectStream: what has no digest before its end, nor perhaps a size.
func TestDirectStream(t *testing.T) {
	for _, test := range []struct {
		name      string
		size      int64 // said when it begins
		body      []byte
		algorithm oci.Algorithm
		objects   int
	}{
		{"of unknown size", -1, crate, oci.SHA256, 1},
		{"of unknown size and another algorithm", -1, crate, oci.SHA512, 1},
		{"of known size", 51, crate, oci.SHA256, 1},
		{"of one part", -1, parcel, oci.SHA256, 1},
		{"of one part and another algorithm", 20, parcel, oci.SHA512, 1},
		{"of nothing", -1, nil, oci.SHA256, 0},
		{"of nothing and another algorithm", -1, nil, oci.SHA512, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := newTinyQuay(t, registry.Options{})
			one, two := q.upload(direct.Wanted{Size: test.size}), q.upload(direct.Wanted{Size: test.size})
			if one.ID == two.ID {
				t.Error("two streams are one upload")
			}
			if one.Put != nil {
				t.Error("a stream has but one PUT")
			}
			if err := q.sendParts(one, test.body, 17); err != nil {
				t.Fatal(err)
			}
			d := test.algorithm.Sum(test.body)
			s, err := q.complete(one.ID, d, len(test.body))
			if err != nil || s.State != direct.Done || s.Digest != d || s.Size != int64(len(test.body)) {
				t.Errorf("got %+v, %v", s, err)
			}
			q.serves(d, test.body)
			if err := q.reg.AbortDirect(t.Context(), q.repo, two.ID); err != nil {
				t.Error(err)
			}
			q.leaves(test.objects)
		})
	}
}

// TestDirectBySHA512: a digest that the store cannot hold a PUT to is read again.
func TestDirectBySHA512(t *testing.T) {
	q := newTinyQuay(t, registry.Options{})
	for _, body := range [][]byte{parcel, crate} {
		w := direct.Wanted{Digest: oci.SHA512.Sum(body), Size: int64(len(body))}
		s := q.upload(w)
		if s.Put != nil {
			t.Error("it is one PUT")
		}
		if err := q.sendParts(s, body, s.PartSize); err != nil {
			t.Fatal(err)
		}
		if s, err := q.complete(s.ID, w.Digest, len(body)); err != nil || s.State != direct.Done {
			t.Errorf("got %+v, %v", s, err)
		}
		q.serves(w.Digest, body)
	}
	q.leaves(2)
}

// TestDirectWrong: what is not what it was said to be is gone, and can be sent
// anew.
func TestDirectWrong(t *testing.T) {
	for _, body := range [][]byte{chest, crate} { // one summed, one read
		q := newTinyQuay(t, registry.Options{})
		wrong := bytes.ToUpper(body)
		s := q.upload(wanted(body))
		if err := q.sendParts(s, wrong, s.PartSize); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := q.complete(s.ID, s.Digest, len(body))
			var known *oci.Error
			if !errors.Is(err, oci.ErrDigestInvalid) || !errors.As(err, &known) ||
				known.Detail.(map[string]string)["digest"] != string(oci.SHA256.Sum(wrong)) {
				t.Errorf("got %v, want DIGEST_INVALID with what it is", err)
			}
			q.leaves(0)
		}
		if got, err := q.status(s.ID, 0); err != nil || got.State != direct.Failed || got.Found != oci.SHA256.Sum(wrong) {
			t.Errorf("status %+v, %v, want it failed", got, err)
		}
		for _, d := range []oci.Digest{s.Digest, oci.SHA256.Sum(wrong)} {
			if _, err := q.reg.Blob(t.Context(), q.repo, d); !errors.Is(err, oci.ErrBlobUnknown) {
				t.Errorf("blob %s: %v, want BLOB_UNKNOWN", d, err)
			}
		}
		q.push(body)
		q.serves(oci.SHA256.Sum(body), body)
		q.leaves(1)
	}
}

// TestDirectIncomplete: where the parts are not all there, or not as they must be,
// the answer says so and the upload stays open.
func TestDirectIncomplete(t *testing.T) {
	q := newTinyQuay(t, registry.Options{})
	for _, test := range []struct {
		name   string
		parts  map[int][]byte
		detail any
	}{
		{"nothing", nil, shortfall([]int{1, 2, 3}, 0)},
		{"no end", map[int][]byte{1: crate[:20]}, shortfall([]int{2, 3}, 20)},
		{"a gap", map[int][]byte{1: crate[:20], 3: crate[40:]}, shortfall([]int{2}, 31)},
		{"a gap, and an end behind it", map[int][]byte{1: crate[:20], 4: crate[40:]}, shortfall([]int{2, 3}, 31)},
		{"all, with a gap", map[int][]byte{1: crate[:20], 2: crate[20:40], 4: crate[40:]}, shortfall([]int{3}, 51)},
		{"too much", map[int][]byte{1: crate, 2: crate}, shortfall(nil, 102)},
		{"a small part", map[int][]byte{1: crate[:40], 2: crate[40:44], 3: crate[44:]}, map[string]int{"part": 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := q.upload(direct.Wanted{Size: 51})
			for n, piece := range test.parts {
				if err := q.sendOne(s.ID, n, piece); err != nil {
					t.Fatal(err)
				}
			}
			_, err := q.complete(s.ID, oci.SHA256.Sum(crate), 51)
			var known *oci.Error
			if !errors.As(err, &known) || !errors.Is(err, oci.ErrUploadInvalid) || string(marshal(known.Detail)) != string(marshal(test.detail)) {
				t.Fatalf("got %v with %s, want %s", err, marshal(known.Detail), marshal(test.detail))
			}
			if got, err := q.status(s.ID, 0); err != nil || got.State != direct.Open || len(got.Received) != len(test.parts) {
				t.Errorf("status %+v, %v, want it open", got, err)
			}
		})
	}
	// A client whose parts have sizes of its own is told as well as can be; and it
	// may send parts again, and go on.
	s := q.upload(stream)
	for n, piece := range [][]byte{crate[:9], crate[10:30], crate[30:]} {
		if err := q.sendOne(s.ID, n+1, piece); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.complete(s.ID, oci.SHA256.Sum(crate), 51); !errors.Is(err, oci.ErrUploadInvalid) {
		t.Errorf("got %v, want BLOB_UPLOAD_INVALID", err)
	}
	if err := q.sendOne(s.ID, 1, crate[:10]); err != nil {
		t.Fatal(err)
	}
	if s, err := q.complete(s.ID, oci.SHA256.Sum(crate), 51); err != nil || s.State != direct.Done {
		t.Errorf("got %+v, %v", s, err)
	}
}

func shortfall(missing []int, received int64) any {
	d := map[string]any{"received": received, "size": 51}
	if missing != nil {
		d["missing"] = missing
	}
	return d
}

// TestDirectNamesFewMissing: an error does not grow with the blob.
func TestDirectNamesFewMissing(t *testing.T) {
	q := newQuay(t, registry.Options{})
	s := q.upload(direct.Wanted{Size: direct.MaxSize})
	_, err := q.complete(s.ID, oci.SHA256.Sum(nil), direct.MaxSize)
	var known *oci.Error
	if !errors.As(err, &known) || len(marshal(known.Detail)) > 1000 {
		t.Errorf("got %v with %s", err, marshal(known.Detail))
	}
}

// TestDirectCompleteAs: an upload ends as what it began as, and once it has, as
// nothing else.
func TestDirectCompleteAs(t *testing.T) {
	q := newTinyQuay(t, registry.Options{})
	d := oci.SHA256.Sum(crate)
	tries := func(id string, d oci.Digest, size int, want error) {
		t.Helper()
		if _, err := q.complete(id, d, size); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	s := q.upload(wanted(crate))
	if err := q.sendParts(s, crate, 20); err != nil {
		t.Fatal(err)
	}
	tries(s.ID, oci.SHA256.Sum(chest), 51, oci.ErrDigestInvalid)
	tries(s.ID, d, 50, oci.ErrSizeInvalid)
	tries(s.ID, d, 51, nil)
	tries(s.ID, oci.SHA256.Sum(chest), 51, oci.ErrUploadUnknown)
	tries(s.ID, d, 50, oci.ErrSizeInvalid)
	if _, err := q.reg.SignParts(t.Context(), q.repo, s.ID, direct.Sign{Parts: []direct.Part{partOf(1, crate)}}); !errors.Is(err, oci.ErrUploadUnknown) {
		t.Errorf("sign a part of what is done: %v, want BLOB_UPLOAD_UNKNOWN", err)
	}
	if err := q.reg.AbortDirect(t.Context(), q.repo, s.ID); !errors.Is(err, oci.ErrUploadUnknown) {
		t.Errorf("abort what is done: %v, want BLOB_UPLOAD_UNKNOWN", err)
	}
	if err := q.reg.VerifyDirect(t.Context(), q.repo, s.ID); err != nil {
		t.Errorf("verify what is done: %v", err)
	}
	q.serves(d, crate)
}

// TestDirectOnAWS is the same on DynamoDB and S3, or what stands in for them.
func TestDirectOnAWS(t *testing.T) {
	q := quay{team: newAWSTeam(t)}
	for _, size := range []int{4*mib + 1, 16*mib + 1} {
		for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
			body := payload(size)
			w := direct.Wanted{Digest: a.Sum(body), Size: int64(size)}
			s := q.upload(w)
			if err := q.sendParts(s, bytes.ToUpper(body), s.PartSize); err == nil {
				_, err = q.complete(s.ID, w.Digest, size)
				if !errors.Is(err, oci.ErrDigestInvalid) {
					t.Errorf("%d other bytes: %v, want DIGEST_INVALID", size, err)
				}
			}
			s = q.upload(w)
			if err := q.sendParts(s, body, s.PartSize); err != nil {
				t.Fatal(err)
			}
			if resumed := q.upload(w); len(resumed.Received) != s.Parts {
				t.Errorf("begin again: got %d parts, want %d", len(resumed.Received), s.Parts)
			}
			for range 2 {
				if s, err := q.complete(s.ID, w.Digest, size); err != nil || s.State != direct.Done {
					t.Errorf("%d bytes: got %+v, %v, want it done", size, s, err)
				}
			}
			q.serves(w.Digest, body)
		}
	}
}
