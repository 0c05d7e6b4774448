package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
)

// An eventPrinter writes a line for each event that is wanted.
type eventPrinter struct {
	out   io.Writer
	only  naming
	whole bool // as JSON
	now   func() time.Time
}

func (p *eventPrinter) print(raw []byte) error {
	var e announce.Event
	var d announce.Data
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return fmt.Errorf("read what event %s says: %w", clean(e.ID), err)
	}
	if !p.only.in(d) {
		return nil
	}
	var line bytes.Buffer
	if p.whole {
		if err := json.Compact(&line, raw); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		line = *bytes.NewBuffer(printable(line.Bytes()))
	} else {
		line.WriteString(p.line(e, d))
	}
	line.WriteByte('\n')
	_, err := p.out.Write(line.Bytes())
	return err
}

// naming is a tag or a digest that events are to name. The zero value wants all.
type naming struct {
	tag    string
	digest oci.Digest
}

// in says whether an event names it, as what it is about or beside that. Where
// not all tags are told it might.
func (n naming) in(d announce.Data) bool {
	switch {
	case n.digest != "":
		return slices.Contains([]oci.Digest{d.Digest, d.Previous, subjectOf(d), descriptor(d.Referrer).Digest, descriptor(d.Manifest).Digest}, n.digest)
	case n.tag == "" || d.Tag == n.tag:
		return true
	case d.Subject == nil || d.Subject.Standing == nil:
		return false
	}
	return d.Subject.TagsTruncated || slices.Contains(d.Subject.Tags, n.tag)
}

func subjectOf(d announce.Data) oci.Digest {
	if d.Subject == nil {
		return ""
	}
	return d.Subject.Digest
}

// descriptor reads one that may not be there.
func descriptor(raw json.RawMessage) (d oci.Descriptor) {
	if json.Unmarshal(raw, &d) != nil {
		return oci.Descriptor{}
	}
	return d
}

// kindWidth is that of the longest kind of events.
const kindWidth = len("repository.created")

// line writes an event for people.
func (p *eventPrinter) line(e announce.Event, d announce.Data) string {
	kind := clean(strings.TrimPrefix(e.Type, announce.TypePrefix))
	parts := []string{p.clock(e.Time), fmt.Sprintf("%-*s", kindWidth, kind)}
	switch {
	case d.Referrer != nil && d.Subject != nil:
		r := descriptor(d.Referrer)
		parts = append(parts, short(clean(string(d.Subject.Digest))), watchedTags(d.Subject),
			arrow+clean(typeOf(r)), short(clean(string(r.Digest))))
	case d.Manifest != nil:
		m := descriptor(d.Manifest)
		parts = append(parts, short(clean(string(m.Digest))), clean(typeOf(m)), human(m.Size))
	case d.Tag != "":
		at := short(clean(string(d.Digest)))
		if d.Previous != "" {
			at = short(clean(string(d.Previous))) + " → " + at
		}
		parts = append(parts, clean(d.Tag), at)
	default:
		parts = append(parts, clean(d.Repository))
	}
	if d.By != "" {
		parts = append(parts, "by "+clean(d.By))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
}

// clock is when something happened, with the day if that is not today.
func (p *eventPrinter) clock(at time.Time) string {
	at, now := at.Local(), p.now().Local()
	if at.Format(time.DateOnly) != now.Format(time.DateOnly) {
		return at.Format(time.DateTime)
	}
	return at.Format(time.TimeOnly)
}

// fewTags is how many tags a line has room for.
const fewTags = 3

func watchedTags(s *announce.Subject) string {
	if s.Standing == nil {
		return ""
	}
	tags := slices.Clone(s.Tags[:min(len(s.Tags), fewTags)])
	for i := range tags {
		tags[i] = clean(tags[i])
	}
	out := strings.Join(tags, ", ")
	if more := len(s.Tags) - len(tags); more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

func typeOf(d oci.Descriptor) string {
	if d.ArtifactType != "" {
		return d.ArtifactType
	}
	return d.MediaType
}
