package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// fields are the members of a JSON object, by their exact names.
type fields map[string]json.RawMessage

func invalid(detail any, format string, args ...any) *Error {
	return ErrManifestInvalid.With(detail, format, args...)
}

// known are the members that mean something here.
var known = []string{
	"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject",
	"annotations", "digest", "size", "platform",
}

// misspelt returns the known name that a name only looks like. Readers that do
// not mind the case, Go's encoding/json among them, would take it for that.
func misspelt(name string) string {
	if slices.Contains(known, name) {
		return ""
	}
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
	}
	return ""
}

// object reads a JSON object and nothing behind it. A member that is there
// twice is refused: some readers take the first, others the last (RFC 8259,
// section 4). So is one that is a known one but for its case.
func object(raw []byte, what string) (fields, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, invalid(nil, "%s is not a JSON object", what)
	}
	f := fields{}
	for dec.More() {
		name, value, err := member(dec)
		if err != nil {
			return nil, invalid(nil, "%s is not a JSON object: %v", what, err)
		}
		if _, twice := f[name]; twice {
			return nil, invalid(nil, "%s has %q twice", what, Clip(name))
		}
		if right := misspelt(name); right != "" {
			return nil, invalid(nil, "%s has %q, which must be spelt %q", what, name, right)
		}
		f[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, invalid(nil, "%s is not a JSON object: %v", what, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, invalid(nil, "%s has something behind its JSON object", what)
	}
	return f, nil
}

func member(dec *json.Decoder) (name string, value json.RawMessage, err error) {
	token, err := dec.Token()
	if err != nil {
		return "", nil, err
	}
	name, ok := token.(string)
	if !ok {
		return "", nil, fmt.Errorf("%v is not the name of a member", token)
	}
	err = dec.Decode(&value)
	return name, value, err
}

// parser fills a manifest and keeps the first error.
type parser struct {
	top      fields
	manifest *Manifest
	seen     map[Digest]int // index in Children
	at       string         // where in the manifest it reads, for errors
	err      error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = invalid(nil, "%s%s", p.at, fmt.Sprintf(format, args...))
	}
}

// get reads the member called name into v and says whether it is there.
func (p *parser) get(f fields, name string, v any) bool {
	raw, ok := f[name]
	if !ok || p.err != nil || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		p.fail("%s is not of its type%s", name, found(err))
		return false
	}
	return true
}

// found says what was there instead, without the Go types in the error's text.
func found(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return ", but: " + Clip(wrong.Value)
	}
	return ""
}

func (p *parser) schemaVersion() {
	var n int
	if !p.get(p.top, "schemaVersion", &n) || n != 2 {
		p.fail("schemaVersion must be 2")
	}
}

func (p *parser) annotations() { p.get(p.top, "annotations", &p.manifest.Annotations) }

func (p *parser) subject() {
	if raw, ok := p.top["subject"]; ok && string(raw) != "null" {
		d := p.descriptor(raw, "subject")
		p.manifest.Subject = &d
	}
}

func (p *parser) image() {
	raw, ok := p.top["config"]
	if !ok {
		p.fail("an image manifest must have a config")
		return
	}
	config := p.descriptor(raw, "config")
	p.add(Child{Descriptor: config, Kind: ChildBlob})
	if !p.get(p.top, "artifactType", &p.manifest.ArtifactType) || p.manifest.ArtifactType == "" {
		p.manifest.ArtifactType = config.MediaType
	}
	p.each("layers", func(what string, raw json.RawMessage) {
		d := p.descriptor(raw, what)
		p.add(Child{Descriptor: d, Kind: ChildBlob, Optional: isForeign(d.MediaType)})
	})
}

func (p *parser) index() {
	p.get(p.top, "artifactType", &p.manifest.ArtifactType)
	p.each("manifests", func(what string, raw json.RawMessage) {
		d := p.descriptor(raw, what)
		kind := ChildEither
		if IsImage(d.MediaType) || IsIndex(d.MediaType) {
			kind = ChildManifest
		}
		p.add(Child{Descriptor: d, Kind: kind, Platforms: []string{PlatformString(d.Platform)}})
	})
}

// each calls do for the elements of the list called name until something is
// wrong: who sends four million ones should not be worth as many objects.
func (p *parser) each(name string, do func(what string, raw json.RawMessage)) {
	raw, ok := p.top[name]
	if !ok || string(raw) == "null" || p.err != nil {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') {
		p.fail("%s is not a list", name)
		return
	}
	for i := 0; p.err == nil && dec.More(); i++ {
		if i == MaxChildren {
			p.fail("%s has more than %d entries", name, MaxChildren)
			return
		}
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil {
			p.fail("%s is not a list", name)
			return
		}
		do(fmt.Sprintf("%s[%d]", name, i), one)
	}
}

// add takes a child in unless its digest is there already: the empty blob, for
// one, is both config and layer of many artifacts. Where the two differ in what
// they are, or in whether they may be missing, the stricter reading counts.
func (p *parser) add(c Child) {
	if p.err != nil {
		return
	}
	i, ok := p.seen[c.Digest]
	if !ok {
		p.seen[c.Digest] = len(p.manifest.Children)
		p.manifest.Children = append(p.manifest.Children, c)
		return
	}
	first := &p.manifest.Children[i]
	if first.Size != c.Size {
		p.fail("%s is listed with sizes %d and %d", c.Digest, first.Size, c.Size)
	}
	first.Optional = first.Optional && c.Optional
	first.Kind = min(first.Kind, c.Kind) // ChildEither is the last
	for _, platform := range c.Platforms {
		if !slices.Contains(first.Platforms, platform) {
			first.Platforms = append(first.Platforms, platform)
		}
	}
}

// descriptor reads what the registry needs of a descriptor, and checks it.
func (p *parser) descriptor(raw json.RawMessage, what string) (d Descriptor) {
	if p.err != nil {
		return d
	}
	f, err := object(raw, what)
	if err != nil {
		p.err = err
		return d
	}
	p.at = what + ": "
	defer func() { p.at = "" }()
	var dig string
	p.get(f, "mediaType", &d.MediaType)
	p.get(f, "digest", &dig)
	p.get(f, "size", &d.Size)
	p.get(f, "platform", &d.Platform)
	if d.Digest, err = ParseDigest(dig); err != nil {
		p.fail("%q is not a digest of an algorithm known here", Clip(dig))
	}
	if _, ok := f["size"]; !ok || d.Size < 0 {
		p.fail("size must be given and not negative")
	}
	if n := len(PlatformString(d.Platform)); n > MaxPlatform {
		p.fail("platform of %d bytes, %d are allowed", n, MaxPlatform)
	}
	if d.MediaType == "" {
		p.fail("mediaType must be given")
	}
	return d
}
