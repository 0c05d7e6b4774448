package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"oras.land/oras-go/v2/registry"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/oci"
)

// A place is where images are, in a registry or in files.
type place struct {
	repo   registry.Reference // without a tag; empty for files
	path   string             // of files
	format layout.Format      // that was asked for by a prefix, or 0
	name   string             // of an image in files: a tag, or a full name with one
	tag    string             // of an image
	digest oci.Digest
}

func (p place) isFiles() bool { return p.path != "" }

// String is the place without the image.
func (p place) String() string {
	if p.isFiles() {
		return p.path
	}
	return p.repo.Registry + "/" + p.repo.Repository
}

// image writes the image with its repository, as people name it.
func (p place) image() string {
	out := cmp.Or(p.repo.Repository, p.path)
	if p.tag != "" {
		out += ":" + p.tag
	}
	return out
}

// prefixes are those by which skopeo tells places apart.
var prefixes = []struct {
	text   string
	format layout.Format
}{
	{"oci:", layout.Folder},
	{"oci-archive:", layout.OCIArchive},
	{"docker-archive:", layout.DockerArchive},
}

// remotePrefix is skopeo's for registries.
const remotePrefix = "docker://"

// parsePlace reads where images are. Files are what is there, what begins with a
// dot or a slash or has no slash at all, and what a prefix says so of; anything
// else is a reference.
func parsePlace(text string) (place, error) {
	if rest, ok := strings.CutPrefix(text, remotePrefix); ok {
		return parseReference(rest)
	}
	path, _, _ := strings.Cut(text, ":")
	if _, prefixed := prefixOf(text); prefixed || !strings.Contains(text, "/") || strings.ContainsAny(text[:1], "./") || exists(text) || exists(path) {
		return parsePath(text)
	}
	return parseReference(text)
}

// parsePath reads where files are.
func parsePath(text string) (place, error) {
	format, ok := prefixOf(text)
	if ok {
		_, text, _ = strings.Cut(text, ":")
	}
	return parseFiles(text, format)
}

func prefixOf(text string) (layout.Format, bool) {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p.text) {
			return p.format, true
		}
	}
	return 0, false
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// parseFiles reads PATH[:NAME][@DIGEST].
func parseFiles(text string, format layout.Format) (place, error) {
	p := place{path: text, format: format}
	if exists(text) {
		return p, nil
	}
	for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		before, digest, ok := strings.Cut(text, "@"+string(a)+":")
		if !ok {
			continue
		}
		var err error
		if p.digest, err = oci.ParseDigest(string(a) + ":" + digest); err != nil {
			return place{}, err
		}
		p.path = before
	}
	p.path, p.name, _ = strings.Cut(p.path, ":")
	p.tag = p.name[strings.LastIndexAny(p.name, ":")+1:]
	switch {
	case p.path == "":
		return place{}, fmt.Errorf("%s has no path", text)
	case p.tag != "" && !oci.ValidTag(p.tag):
		return place{}, fmt.Errorf("%s: %q is not a tag", text, p.tag)
	}
	return p, nil
}

// parseReference reads HOST/REPOSITORY[:TAG][@DIGEST].
func parseReference(text string) (place, error) {
	name, digest, pinned := strings.Cut(text, "@")
	var p place
	var err error
	if pinned {
		if p.digest, err = oci.ParseDigest(digest); err != nil {
			return place{}, err
		}
	}
	if p.repo, err = registry.ParseReference(name); err != nil {
		return place{}, fmt.Errorf("read the reference %s: %w", text, err)
	}
	p.tag, p.repo.Reference = p.repo.Reference, ""
	return p, nil
}

// reference is how the image is asked for.
func (p place) reference() string {
	if p.digest != "" {
		return string(p.digest)
	}
	return cmp.Or(p.name, p.tag)
}

// formatOf is how files are to be written: as the prefix says, else by the name.
func (p place) formatOf() layout.Format {
	switch {
	case p.format != 0:
		return p.format
	case strings.HasSuffix(p.path, ".tar"):
		return layout.OCIArchive
	}
	return layout.Folder
}
