package announce

import (
	"fmt"

	"github.com/berthregistry/berth/shared/registry"
)

// schemas is where the schemas are of what events say, by their types: the files
// of events/schema.
const schemas = "https://github.com/berthregistry/berth/blob/main/events/schema/"

// event makes the event of what happened.
func (a *Announcer) event(h registry.Happening, standings map[subjectKey]standing) (Event, error) {
	kind := TypePrefix + string(h.Kind)
	e := Event{
		SpecVersion: "1.0", ID: h.ID, Source: a.Source, Type: kind, Subject: about(h), Time: h.At.UTC(),
		DataContentType: "application/json", DataSchema: schemas + kind + ".v1.json", PartitionKey: about(h),
	}
	d := Data{Repository: h.Repo, By: h.By}
	switch h.Kind {
	case registry.ReferrerAttached, registry.ReferrerDetached:
		s := standings[subjectKey{h.Repo, h.Subject}]
		if s.err != nil {
			return Event{}, s.err
		}
		d.Subject, d.Referrer = &Subject{h.Subject, &s.Standing}, h.Descriptor
	case registry.ManifestPushed, registry.ManifestDeleted:
		d.Manifest = h.Descriptor
		if h.Subject != "" {
			d.Subject = &Subject{Digest: h.Subject}
		}
	case registry.TagCreated, registry.TagMoved, registry.TagDeleted:
		d.Tag, d.Digest, d.Previous = h.Tag, h.Digest, h.From
	}
	var err error
	if e.Data, err = d.fit(); err != nil {
		return Event{}, fmt.Errorf("write data: %w", err)
	}
	return e, nil
}

// about is the subject of an event, in CloudEvents' sense, and what events are in
// order within.
func about(h registry.Happening) string {
	switch h.Kind {
	case registry.ReferrerAttached, registry.ReferrerDetached:
		return h.Repo + "@" + string(h.Subject)
	case registry.ManifestPushed, registry.ManifestDeleted:
		return h.Repo + "@" + string(h.Digest)
	case registry.TagCreated, registry.TagMoved, registry.TagDeleted:
		return h.Repo + ":" + h.Tag
	}
	return h.Repo
}
