package blobstest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

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
