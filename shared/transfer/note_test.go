package transfer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// A process that comes after one that was killed goes on with its upload.
func TestNotes(t *testing.T) {
	o := newOther(t)
	folder := filepath.Join(t.TempDir(), "uploads")
	p := randomBytes(1, 900_000)
	d := describe(p)
	o.most, o.tellsMost = 100_000, true
	ctx, kill := context.WithCancel(t.Context())
	n := 0
	o.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			if n++; n == 5 {
				kill()
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				return true
			}
		}
		return false
	}
	_, r := o.client(Options{Sessions: folder})
	if _, err := r.Push(ctx, d, &memorySource{t: t, p: p}, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("push: %v", err)
	}
	notes, _ := filepath.Glob(filepath.Join(folder, "*.json"))
	if len(notes) != 1 {
		t.Fatalf("notes %q, want one", notes)
	}
	if info, err := os.Stat(notes[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a note is open to others: %v %v", info.Mode(), err)
	}
	o.called()
	o.before = nil
	_, r = o.client(Options{Sessions: folder})
	o.takes(r, p)
	if got, want := o.called(), "GET"+strings.Repeat(" PATCH", 5)+" PUT"; got != want {
		t.Errorf("it took %s, want %s", got, want)
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("%d notes are left", len(left))
	}
}

// Of what a killed process had sent in one request a registry may have nothing. The
// next one sends less at once, so that it does not end the same way.
func TestKilledInTheFirstRequest(t *testing.T) {
	o := newOther(t)
	folder := filepath.Join(t.TempDir(), "uploads")
	p := randomBytes(1, 900_000)
	ctx, kill := context.WithCancel(t.Context())
	o.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			kill()
			_, _ = io.Copy(io.Discard, r.Body)
		}
		return r.Method == http.MethodPatch
	}
	_, r := o.client(Options{Sessions: folder})
	if _, err := r.Push(ctx, describe(p), &memorySource{t: t, p: p}, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("push: %v", err)
	}
	o.called()
	o.before = nil
	_, r = o.client(Options{Sessions: folder})
	o.takes(r, p)
	if got, want := o.called(), "GET PATCH PATCH PUT"; got != want {
		t.Errorf("it took %s, want %s", got, want)
	}
}

func TestNotesThatAreNoGood(t *testing.T) {
	o := newOther(t)
	d := oci.Digest("sha256:" + strings.Repeat("0", 64))
	e, r := o.client(Options{Sessions: t.TempDir()})
	for _, text := range []string{
		"", "{", `{"at":"http://elsewhere.test/v2/team/app/blobs/uploads/1","begun":"` + time.Now().Format(time.RFC3339) + `"}`,
		`{"at":"` + o.url + `/v2/other/blobs/uploads/1","begun":"` + time.Now().Format(time.RFC3339) + `"}`,
		`{"at":"` + o.url + `/v2/team/app/blobs/uploads/1","begun":"2020-01-01T00:00:00Z"}`,
		`{"at":"` + o.url + `/v2/team/app/blobs/uploads/1"}`,
	} {
		n := e.openNote(r.base, d)
		if _, err := n.file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if s, ok := n.read(r.base); ok {
			t.Errorf("note %q leads to %v", text, s.at)
		}
		n.close(true)
	}
	n := e.openNote(r.base, d)
	if again := e.openNote(r.base, d); again != nil {
		t.Error("two have the note of one upload")
	}
	n.keep(session{at: r.at("blobs/uploads/1")})
	n.close(false)
	n = e.openNote(r.base, d)
	if _, ok := n.read(r.base); !ok {
		t.Error("a note is not found again")
	}
	n.close(true)
	old := filepath.Join(e.sessions, "old.json")
	_ = os.WriteFile(old, nil, 0o600)
	_ = os.Chtimes(old, time.Now(), time.Now().Add(-2*noteLife))
	e.sweep()
	if _, err := os.Stat(old); err == nil {
		t.Error("an old note is kept")
	}
}

// A registry that is busy for a moment has not lost what it has.
func TestNotesOutliveAMoment(t *testing.T) {
	o := newOther(t)
	e, r := o.client(Options{Sessions: t.TempDir()})
	p := randomBytes(1, 900_000)
	begun, err := r.beginSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := e.openNote(r.base, describe(p).Digest)
	n.keep(begun)
	n.close(false)
	var was atomic.Bool
	o.before = func(w http.ResponseWriter, _ *http.Request) bool {
		first := was.CompareAndSwap(false, true)
		if first {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return first
	}
	o.takes(r, p)
	if got, want := o.called(), "POST GET PATCH PATCH PUT"; got != want {
		t.Errorf("it took %s, want %s", got, want)
	}
}
