package registry_test

import (
	"bytes"
	"errors"
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
	store *blobstest.Memory
}

func newQuay(t testing.TB, o registry.Options) quay {
	store := blobstest.NewMemory(blobstest.MemoryOptions{Now: o.Now})
	return quay{newTeamOn(t, newMemTable(), store, o), store}
}

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
	return q.store.Send(t.URL, header, body)
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
	for _, size := range []int{4*mib + 1, 16 * mib, 16*mib + 1, 40 * mib} {
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
	now := time.Now()
	q := newQuay(t, registry.Options{Now: func() time.Time { return now }})
	body := payload(5 * mib)
	s := q.upload(wanted(body))
	if s.Put == nil || s.Parts != 1 || s.Put.Expires != now.Add(time.Hour) {
		t.Fatalf("got %+v, want a URL for an hour", s)
	}
	if err := q.send(*s.Put, bytes.ToUpper(body)); err == nil {
		t.Error("other bytes are taken")
	}
	if err := q.send(*s.Put, body); err != nil {
		t.Fatal(err)
	}
	if s = q.upload(wanted(body)); !slices.Equal(s.Received, []direct.Part{partOf(1, body)}) {
		t.Errorf("received %+v, want the one part", s.Received)
	}
	if s, err := q.complete(s.ID, s.Digest, len(body)); err != nil || s.State != direct.Done {
		t.Errorf("got %+v, %v", s, err)
	}
	q.leaves(1)
}

// TestDirectWrong: what is not what it was said to be is gone, and can be sent
// anew.
func TestDirectWrong(t *testing.T) {
	q := newQuay(t, registry.Options{})
	body, wrong := payload(20*mib), payload(20*mib)
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
	if got, err := q.reg.DirectStatus(t.Context(), q.repo, s.ID, 0); err != nil || got.State != direct.Failed || got.Found != oci.SHA256.Sum(wrong) {
		t.Errorf("status %+v, %v, want it failed", got, err)
	}
	q.push(body)
	q.serves(oci.SHA256.Sum(body), body)
	q.leaves(1)
}
