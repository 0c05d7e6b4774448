package announce_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// A view is what can be seen of a registry from outside: for each thing in it,
// what it is at. It is read as any client would; it knows nothing of items.
type view map[string]string

// look asks for all that a story may bring about.
func (s *story) look() view {
	s.t.Helper()
	v := view{}
	repos, _, err := s.clear.Repositories(s.t.Context(), "", -1)
	s.must(err)
	for _, repo := range repos {
		v["repository "+repo] = "there"
		for _, body := range s.bodies {
			s.lookAt(v, repo, oci.SHA256.Sum(body))
		}
		tags, _, err := s.clear.Tags(s.t.Context(), repo, "", -1)
		s.must(err)
		for _, tag := range tags {
			m, err := s.clear.StatManifest(s.t.Context(), repo, oci.Reference{Tag: tag})
			s.must(err)
			v["tag "+repo+":"+tag] = string(m.Digest)
		}
	}
	return v
}

func (s *story) lookAt(v view, repo string, d oci.Digest) {
	s.t.Helper()
	_, err := s.clear.StatManifest(s.t.Context(), repo, oci.Reference{Digest: d})
	if err == nil {
		v["manifest "+repo+"@"+string(d)] = "there"
	} else if !errors.Is(err, oci.ErrManifestUnknown) {
		s.t.Fatal(err)
	}
	page, err := s.clear.Referrers(s.t.Context(), repo, d, "", "")
	s.must(err)
	for _, raw := range page.Descriptors {
		var one oci.Descriptor
		s.must(json.Unmarshal(raw, &one))
		v["referrer "+repo+"@"+string(d)+" "+string(one.Digest)] = "there"
	}
}

// become says what has happened between two views, as it should be told.
func (v view) become(after view, who string) (told []string) {
	for thing := range maps.Keys(after) {
		if v[thing] == "" {
			told = append(told, happened(thing, "", after[thing], who))
		} else if v[thing] != after[thing] {
			told = append(told, happened(thing, v[thing], after[thing], who))
		}
	}
	for thing, was := range v {
		if after[thing] == "" {
			told = append(told, happened(thing, was, "", ""))
		}
	}
	return told
}

// happened writes down how a thing has changed.
func happened(thing, was, is, who string) string {
	what, name, _ := strings.Cut(thing, " ")
	verbs := map[string][2]string{
		"repository": {"created"}, "manifest": {"pushed", "deleted"}, "referrer": {"attached", "detached"}, "tag": {"created", "deleted"},
	}
	switch {
	case is == "":
		return fmt.Sprintf("%s.%s %s was %s by %s", what, verbs[what][1], name, was, who)
	case was == "" || what != "tag":
		return fmt.Sprintf("%s.%s %s is %s by %s", what, verbs[what][0], name, is, who)
	}
	return fmt.Sprintf("tag.moved %s from %s to %s by %s", name, was, is, who)
}

// said writes an event down as happened does.
func said(e announce.Event) (string, error) {
	var d announce.Data
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return "", err
	}
	kind := strings.TrimPrefix(e.Type, announce.TypePrefix)
	switch registry.Kind(kind) {
	case registry.RepositoryCreated:
		return happened("repository "+d.Repository, "", "there", d.By), nil
	case registry.TagCreated:
		return happened("tag "+d.Repository+":"+d.Tag, "", string(d.Digest), d.By), nil
	case registry.TagMoved:
		return happened("tag "+d.Repository+":"+d.Tag, string(d.Previous), string(d.Digest), d.By), nil
	case registry.TagDeleted:
		return happened("tag "+d.Repository+":"+d.Tag, string(d.Digest), "", d.By), nil
	}
	var about oci.Descriptor
	if err := json.Unmarshal(slices.Concat(d.Referrer, d.Manifest), &about); err != nil {
		return "", err
	}
	switch registry.Kind(kind) {
	case registry.ManifestPushed:
		return happened("manifest "+d.Repository+"@"+string(about.Digest), "", "there", d.By), nil
	case registry.ManifestDeleted:
		return happened("manifest "+d.Repository+"@"+string(about.Digest), "there", "", d.By), nil
	case registry.ReferrerAttached:
		return happened("referrer "+e.Subject+" "+string(about.Digest), "", "there", d.By), nil
	case registry.ReferrerDetached:
		return happened("referrer "+e.Subject+" "+string(about.Digest), "there", "", d.By), nil
	}
	return "", fmt.Errorf("an event of type %q", e.Type)
}
