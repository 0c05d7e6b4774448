package blobstest

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
)

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
