package progress

import (
	"encoding/json"
	"io"
	"strings"
	"sync"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// The events, each a JSON object on a line of its own. Fields may be added.
type (
	// planned comes first, once it is known what has to be done.
	planned struct {
		Event     string `json:"event"` // plan
		Blobs     int    `json:"blobs"` // that have to be moved
		Bytes     int64  `json:"bytes"` // of them
		Manifests int    `json:"manifests"`
	}
	// settled is said of each blob.
	settled struct {
		Event  string       `json:"event"` // blob
		Digest oci.Digest   `json:"digest"`
		Size   int64        `json:"size"`
		Way    transfer.Way `json:"way"`
	}
	// placed is said of each manifest that was put.
	placed struct {
		Event     string     `json:"event"` // manifest
		MediaType string     `json:"mediaType"`
		Digest    oci.Digest `json:"digest"`
		Size      int64      `json:"size"`
		Tags      []string   `json:"tags,omitempty"`
	}
	// noted is what would have been a line of text.
	noted struct {
		Event string `json:"event"` // note
		Text  string `json:"text"`
	}
)

// events prints JSON.
type events struct {
	mu  sync.Mutex
	out *json.Encoder
}

// Events returns a display for programs.
func Events(out io.Writer) Display { return &events{out: json.NewEncoder(out)} }

func (e *events) print(event any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.out.Encode(event)
}

// What cannot be printed will be missed at the end, when the summary cannot be
// either.

func (e *events) Planned(p mirror.Plan) {
	_ = e.print(planned{"plan", len(p.Move), p.Bytes(), len(p.Place)})
}

func (*events) Moved(oci.Descriptor, int64) {}

func (e *events) Settled(d oci.Descriptor, how transfer.Way) {
	_ = e.print(settled{"blob", d.Digest, d.Size, how})
}

func (e *events) Placed(d oci.Descriptor, tags []string) {
	_ = e.print(placed{"manifest", d.MediaType, d.Digest, d.Size, tags})
}

// Write implements io.Writer.
func (e *events) Write(p []byte) (int, error) {
	return len(p), e.print(noted{"note", strings.TrimSuffix(string(p), "\n")})
}

func (*events) Close() {}
