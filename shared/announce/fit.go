package announce

import (
	"encoding/json"

	"github.com/berthregistry/berth/shared/oci"
)

const (
	// MaxDescriptor is the largest descriptor of a referrer that is told whole,
	// in bytes. Of a larger one the annotations are left out.
	MaxDescriptor = 32 << 10

	// maxData leaves room for the envelope.
	maxData = MaxEvent - 4<<10

	// fewTags is how many tags are told where a thousand are too many.
	fewTags = 100
)

// fit writes data down in as many bytes as an event takes, by leaving out what
// the receiver can ask for.
func (d Data) fit() ([]byte, error) {
	if len(d.Referrer) > MaxDescriptor {
		d.bare()
	}
	for _, less := range []func(*Data){(*Data).lessTags, (*Data).lessTypes, (*Data).bare} {
		raw, err := json.Marshal(d)
		if err != nil || len(raw) <= maxData {
			return raw, err
		}
		less(&d)
	}
	return json.Marshal(d)
}

func (d *Data) lessTags() {
	if d.Subject != nil && d.Subject.Standing != nil && len(d.Subject.Tags) > fewTags {
		s := *d.Subject.Standing // others of the batch have it as well
		s.Tags, s.TagsTruncated = s.Tags[:fewTags], true
		d.Subject = &Subject{d.Subject.Digest, &s}
	}
}

func (d *Data) lessTypes() {
	if d.Subject != nil && d.Subject.Standing != nil {
		s := *d.Subject.Standing
		s.Referrers.ByType = map[string]int64{}
		d.Subject = &Subject{d.Subject.Digest, &s}
	}
}

// bare leaves of a descriptor what is needed to ask for the rest.
func (d *Data) bare() {
	for _, raw := range []*json.RawMessage{&d.Referrer, &d.Manifest} {
		var full oci.Descriptor
		if *raw == nil || json.Unmarshal(*raw, &full) != nil {
			continue
		}
		d.AnnotationsLeftOut = d.AnnotationsLeftOut || len(full.Annotations) > 0
		*raw, _ = json.Marshal(oci.Descriptor{
			MediaType: short(full.MediaType), Digest: full.Digest, Size: full.Size, ArtifactType: short(full.ArtifactType),
		}) // of strings and a number: it does not fail
	}
}

// short drops what is too long for a media type. No registry writes such a thing.
func short(mediaType string) string {
	if len(mediaType) > oci.MaxArtifactType {
		return ""
	}
	return mediaType
}
