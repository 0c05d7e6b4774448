package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// noteLife is how long an upload through a registry may be gone on with. Most
// keep them longer.
const noteLife = 24 * time.Hour

// maxNote is the size of the largest note in bytes.
const maxNote = 16 << 10

// A note says where an upload through a registry is, for a process that comes
// after this one. It is locked while the upload is under way, so that no two send
// to the same. A nil one says nothing, and keeps nothing: all about it is done as
// far as it can be.
type note struct{ file *os.File }

// noted is what a note says. The place may be as good as a password.
type noted struct {
	At    string    `json:"at"`
	Begun time.Time `json:"begun"`
	Chunk int64     `json:"chunk,omitempty"` // bytes
	Least int64     `json:"least,omitempty"`
}

// openNote opens the note of an upload, or begins one. It returns nil if there is
// no folder for it, or another process is at the upload.
func (e *Engine) openNote(repository *url.URL, d oci.Digest) *note {
	if e.sessions == "" || os.MkdirAll(e.sessions, 0o700) != nil {
		return nil
	}
	e.swept.Do(e.sweep)
	name := sha256.Sum256([]byte(repository.String() + "@" + string(d)))
	file, err := os.OpenFile(filepath.Join(e.sessions, hex.EncodeToString(name[:16])+".json"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil
	}
	if !lock(file) {
		_ = file.Close()
		return nil
	}
	return &note{file}
}

// sweep removes the notes of uploads that nobody came back for.
func (e *Engine) sweep() {
	entries, err := os.ReadDir(e.sessions)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > noteLife {
			_ = os.Remove(filepath.Join(e.sessions, entry.Name()))
		}
	}
}

// read returns the upload, if it is below the repository: a note has no say in
// where credentials go.
func (n *note) read(repository *url.URL) (session, bool) {
	if n == nil {
		return session{}, false
	}
	var said noted
	if err := json.NewDecoder(io.NewSectionReader(n.file, 0, maxNote)).Decode(&said); err != nil {
		return session{}, false // it is new, or nothing that we wrote
	}
	at, err := url.Parse(said.At)
	if err != nil || time.Since(said.Begun) > noteLife || !sameOrigin(at, repository) || !strings.HasPrefix(at.Path, repository.Path) {
		return session{}, false
	}
	return session{at: at, chunk: said.Chunk, least: said.Least}, true
}

// keep notes where the upload is.
func (n *note) keep(s session) {
	if n == nil {
		return
	}
	raw, err := json.Marshal(noted{At: s.at.String(), Begun: time.Now(), Chunk: s.chunk, Least: s.least})
	if err != nil || len(raw) > maxNote || n.file.Truncate(0) != nil {
		return
	}
	_, _ = n.file.WriteAt(raw, 0) // half of it is no note
}

// forget makes the note say nothing.
func (n *note) forget() {
	if n != nil {
		_ = n.file.Truncate(0)
	}
}

// close ends the use of the note, which is of no more use if the upload is over.
func (n *note) close(over bool) {
	if n == nil {
		return
	}
	if over {
		_ = os.Remove(n.file.Name())
	}
	_ = n.file.Close()
}
