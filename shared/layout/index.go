package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationName is a full name in an index.json, as containerd and Docker
// write it beside the tag.
const annotationName = "io.containerd.image.name"

// An entry is a descriptor in an index.json.
type entry struct {
	descriptor oci.Descriptor
	raw        json.RawMessage // as it stands there, so that it can be written back
}

// names are the tag and the full name of an entry: none, one or both. Some
// tools write the full name where the tag belongs.
func (e entry) names() (all []string) {
	for _, key := range []string{v1.AnnotationRefName, annotationName} {
		if name := e.descriptor.Annotations[key]; name != "" {
			all = append(all, name)
		}
	}
	return all
}

// tagOf returns the tag of a name, which may be only that: "1" of "1", of
// "team/app:1", and of "host:5000/team/app:1". A full name without one means
// latest.
func tagOf(name string) string {
	last := name[strings.LastIndex(name, "/")+1:]
	if _, tag, ok := strings.Cut(last, ":"); ok {
		return tag
	}
	if len(last) < len(name) {
		return "latest"
	}
	return name
}

// checkVersion reads oci-layout. Errors: fs.ErrNotExist where there is none.
func checkVersion(ctx context.Context, files tree) error {
	raw, err := readDocument(ctx, files, layoutFile)
	if err != nil {
		return err
	}
	return parseVersion(raw)
}

func parseVersion(raw []byte) error {
	var is v1.ImageLayout
	if err := json.Unmarshal(raw, &is); err != nil {
		return fmt.Errorf("%s: %w", layoutFile, err)
	}
	if !strings.HasPrefix(is.Version, "1.") {
		return fmt.Errorf("%s: version %q of image layouts is not known here", layoutFile, oci.Clip(is.Version))
	}
	return nil
}

// readIndex reads index.json.
func readIndex(ctx context.Context, files tree) (*contents, error) {
	raw, err := readDocument(ctx, files, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("it has no %s yet: nothing was ever written to its end: %w", indexFile, err)
	}
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	return &contents{entries: x.entries}, nil
}

// index is an index.json: a list of entries, and members that are kept as they
// are.
type index struct {
	members map[string]json.RawMessage
	entries []entry
}

func newIndex() *index {
	return &index{members: map[string]json.RawMessage{
		"schemaVersion": json.RawMessage("2"),
		"mediaType":     json.RawMessage(`"` + oci.MediaTypeIndex + `"`),
	}}
}

func parseIndex(raw []byte) (*index, error) {
	x := &index{}
	if err := json.Unmarshal(raw, &x.members); err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(x.members["manifests"], &list); err != nil {
		return nil, fmt.Errorf("%s: manifests is not a list of descriptors: %w", indexFile, err)
	}
	for i, one := range list {
		e := entry{raw: one}
		err := json.Unmarshal(one, &e.descriptor)
		if err == nil {
			err = checkDescriptor(e.descriptor)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: manifests[%d]: %w", indexFile, i, err)
		}
		x.entries = append(x.entries, e)
	}
	return x, nil
}

// checkDescriptor is for what files say. It keeps a digest from being a path.
func checkDescriptor(d oci.Descriptor) error {
	if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
		return err
	}
	if d.Size < 0 || d.MediaType == "" {
		return fmt.Errorf("%s has size %d and media type %q", d.Digest, d.Size, oci.Clip(d.MediaType))
	}
	return nil
}

// bytes returns the file. The same entries make the same bytes.
func (x *index) bytes() ([]byte, error) {
	list := make([]json.RawMessage, len(x.entries))
	for i, e := range x.entries {
		list[i] = e.raw
	}
	members := maps.Clone(x.members)
	var err error
	if members["manifests"], err = json.Marshal(list); err != nil {
		return nil, err
	}
	return json.Marshal(members) // sorted by name
}

// A root is what an index.json is to name: a manifest, by a tag or none.
type root struct {
	descriptor oci.Descriptor // media type, digest, size
	tag        string
	name       string // the full one, may be missing
}

func (r root) entry() (entry, error) {
	d := r.descriptor
	if r.tag != "" {
		d.Annotations = map[string]string{v1.AnnotationRefName: r.tag}
		if r.name != "" {
			d.Annotations[annotationName] = r.name
		}
	}
	raw, err := json.Marshal(d)
	return entry{descriptor: d, raw: raw}, err
}

// set makes the index name r. A tag that stood for something else moves; what
// it stood for stays, without it, for others may refer to that.
func (x *index) set(r root) error {
	if r.tag == "" {
		if x.lists(r.descriptor.Digest) {
			return nil
		}
	} else if err := x.untag(r.tag, r.descriptor.Digest); err != nil {
		return err
	}
	e, err := r.entry()
	x.entries = append(x.entries, e)
	return err
}

func (x *index) lists(d oci.Digest) bool {
	return slices.ContainsFunc(x.entries, func(e entry) bool { return e.descriptor.Digest == d })
}

// untag makes room for an entry of a tag that is about to stand for d.
func (x *index) untag(tag string, d oci.Digest) error {
	kept := x.entries[:0:0]
	var lost []entry
	for _, e := range x.entries {
		named := e.descriptor.Annotations[v1.AnnotationRefName]
		switch {
		case named == tag:
			lost = append(lost, e)
		case e.descriptor.Digest != d || len(e.names()) > 0:
			kept = append(kept, e)
		}
	}
	x.entries = kept
	for _, e := range lost {
		if e.descriptor.Digest == d || x.lists(e.descriptor.Digest) {
			continue
		}
		delete(e.descriptor.Annotations, v1.AnnotationRefName)
		delete(e.descriptor.Annotations, annotationName)
		var err error
		if e.raw, err = json.Marshal(e.descriptor); err != nil {
			return err
		}
		x.entries = append(x.entries, e)
	}
	return nil
}
