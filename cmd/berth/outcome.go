package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// An outcome is what a copy came to, for its last line.
type outcome struct {
	*copying
	mirror.Summary
	spared int64 // requests for referrers
	took   time.Duration
	err    error
}

// A summary is the last line of --json. Fields may be added.
type summary struct {
	Event     string               `json:"event"` // summary
	Command   string               `json:"command"`
	From      string               `json:"from"`
	To        string               `json:"to"`
	Images    []copied             `json:"images"`
	Blobs     map[transfer.Way]int `json:"blobs"`     // how many by each way
	Bytes     int64                `json:"bytes"`     // that were moved, or would be
	Manifests int                  `json:"manifests"` // that were put
	Spared    int64                `json:"spared"`    // requests for referrers that were not needed
	Seconds   float64              `json:"seconds"`
	DryRun    bool                 `json:"dryRun,omitempty"`
	Error     string               `json:"error,omitempty"`
}

// A copied is an image in a summary.
type copied struct {
	MediaType string     `json:"mediaType"`
	Digest    oci.Digest `json:"digest"`
	Size      int64      `json:"size"`
	Tags      []string   `json:"tags,omitempty"`
	Present   bool       `json:"present"`           // before as well
	LeftOut   int        `json:"leftOut,omitempty"` // entries of its index that were not copied
}

// print prints the last line of a copy. One that failed has it only for programs.
func (o outcome) print(w io.Writer) error {
	if o.JSON {
		return json.NewEncoder(w).Encode(o.summary())
	}
	if o.err != nil {
		return nil
	}
	line := o.line()
	if o.spared > 0 {
		line += "; " + notNeeded(o.spared)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// notNeeded says that requests for referrers were spared, since the registry said
// of manifests that nothing refers to them.
func notNeeded(requests int64) string {
	if requests == 1 {
		return "1 request for referrers was not needed"
	}
	return fmt.Sprintf("%d requests for referrers were not needed", requests)
}

func (o outcome) summary() summary {
	bytes := o.Bytes
	if o.DryRun {
		bytes = o.Plan.Bytes()
	}
	s := summary{
		Event: "summary", Command: o.verb, From: o.from.String(), To: o.to.String(), Images: []copied{},
		Blobs: map[transfer.Way]int{}, Bytes: bytes, Manifests: o.Manifests,
		Spared: o.spared, Seconds: o.took.Seconds(), DryRun: o.DryRun,
	}
	for _, way := range []transfer.Way{transfer.Direct, transfer.Plain, transfer.There, transfer.Mounted} {
		s.Blobs[way] = o.Blobs[way]
	}
	for _, i := range o.Images {
		s.Images = append(s.Images, copied{i.MediaType, i.Digest, i.Size, i.Tags, i.There, i.Left})
	}
	if o.err != nil {
		s.Error = o.err.Error()
	}
	return s
}

// pasts are the verbs as they are said afterwards.
var pasts = map[string]string{"push": "pushed", "pull": "pulled", "copy": "copied"}

func (o outcome) line() string {
	if o.DryRun {
		return fmt.Sprintf("would %s %s %s in %s and %s (there already: %d; to be mounted: %d)",
			o.verb, o.what(), human(o.Plan.Bytes()), count(len(o.Plan.Move), "blob"),
			count(len(o.Plan.Place), "manifest"), o.Blobs[transfer.There], o.Blobs[transfer.Mounted])
	}
	if o.Manifests == 0 && len(o.Blobs) == 0 {
		return o.what() + " is there already"
	}
	return fmt.Sprintf("%s %s %s in %s (direct: %s; plain: %d; there already: %d; mounted: %d)%s",
		pasts[o.verb], o.what(), human(o.Bytes), seconds(o.took), count(o.Blobs[transfer.Direct], "layer"),
		o.Blobs[transfer.Plain], o.Blobs[transfer.There], o.Blobs[transfer.Mounted], o.left())
}

// what says which images these are.
func (o outcome) what() string {
	named := o.to
	if named.isFiles() {
		named = o.from
	}
	if len(o.Images) == 1 && !o.All {
		return named.image() + " " + string(o.Images[0].Digest)
	}
	there := 0
	for _, i := range o.Images {
		if i.There {
			there++
		}
	}
	text := fmt.Sprintf("%s to %s", count(len(o.Images), "image"), o.to)
	if there > 0 {
		text += fmt.Sprintf(", %d of them there already,", there)
	}
	return text
}

// left says what was not copied of indexes.
func (o outcome) left() string {
	n := 0
	for _, i := range o.Images {
		n += i.Left
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; left out: %s of the index", count(n, "entry"))
}

// seconds writes how long something took.
func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 10*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
