// Package settings reads the one file of settings, and reads it again when it
// changes.
//
// The doc comments of Settings and of the types in it are its manual.
package settings

import (
	"github.com/berthregistry/berth/shared/pattern"
	"github.com/berthregistry/berth/shared/registry"
)

// Settings is the settings file, in YAML. All of it may be left out. A key that
// is not known and a value that makes no sense are errors which say the line.
//
//	repositories:
//	  - pattern: mirror/**
//	    indexes: none
//	  - pattern: team/*
//	    indexes:
//	      platforms: [linux/amd64, linux/arm64]
//	      unnamed: optional
//	    referrers-header: on-request
//	limits:
//	  manifest-size: 8MiB
//	  tags-per-push: 20
//	webhooks:
//	  - url: https://ci.example.com/hook
//	    secret-file: hook.secret
//	    types: [referrer.attached, tag.moved]
//	    repositories: [team/*]
type Settings struct {
	// Repositories are looked through in their order, and the first whose
	// pattern fits a repository's name holds for it: alone, so that what it
	// leaves out has its default and not the value of an entry further down.
	// Where none fits, all is default. A change is in force within seconds.
	Repositories []Repository `yaml:"repositories"`

	// Limits hold for all repositories. A change needs a restart; until then
	// the log says that one waits.
	Limits Limits `yaml:"limits"`

	// Webhooks are told what happens, each by itself. A change needs a restart;
	// until then the log says that one waits.
	Webhooks []Webhook `yaml:"webhooks"`
}

// A Repository is what holds for the repositories whose names fit a pattern.
type Repository struct {
	// Pattern is the only key that must be there. See pattern.Repository.
	Pattern Pattern `yaml:"pattern"`

	// Indexes says which manifests an image index may list without having
	// them. See Indexes.
	Indexes Indexes `yaml:"indexes"`

	// Images says whether an image may lack its config and layers. See Images.
	Images Images `yaml:"images"`

	// ReferrersHeader says when manifests are served with the header
	// OCI-Referrers. See ReferrersHeader.
	ReferrersHeader ReferrersHeader `yaml:"referrers-header"`
}

// A Pattern is a pattern of repository names in YAML. See pattern.Repository.
type Pattern struct{ pattern.Repository }

// Indexes says which of the manifests that an image index lists must be in the
// repository when the index is pushed.
//
//   - all (the default): each of them.
//   - none: the index may be sparse as it likes.
//   - a mapping with platforms, a list of os/architecture[/variant]: those for
//     one of these. A platform without a variant stands for all its variants.
//     Beside it, unnamed says whether entries that name no platform, such as
//     attestations, must be there: required (the default) or optional.
//
// A push that misses some is refused, and the answer names each one.
type Indexes struct{ rule registry.IndexRule }

// Images says which of the blobs that an image manifest lists, its config and
// its layers, must be in the repository when the manifest is pushed.
//
//   - all (the default): each of them, but those that may not be distributed.
//   - none: the image may be sparse as it likes, for a repository of manifests
//     whose blobs are elsewhere.
type Images struct{ sparse bool }

// ReferrersHeader says when the answer to a GET or HEAD of a manifest carries
// OCI-Referrers, by which a client knows whether it is worth asking for what
// refers to the manifest: signatures, attestations, SBOMs.
//
//   - always (the default): present or absent, on every answer.
//   - absent-only: only absent, the word that saves a request.
//   - on-request: only when the request says OCI-Referrers: request.
//   - off: never.
type ReferrersHeader struct{ mode registry.HeaderMode }

// Limits are what one request may ask for.
type Limits struct {
	// ManifestSize is the largest manifest taken: bytes, or a number with KiB
	// or MiB. At least 4MiB, which the specification asks for and which is the
	// default; at most 64MiB, since manifests are held in memory.
	ManifestSize ManifestSize `yaml:"manifest-size"`

	// TagsPerPush is how many tags one push of a manifest may set, 10 to 30.
	// The default is 30.
	TagsPerPush TagsPerPush `yaml:"tags-per-push"`
}

// ManifestSize is a number of bytes, zero for the default.
type ManifestSize int64

// TagsPerPush is a number of tags, zero for the default.
type TagsPerPush int

// Rules returns what holds for a repository. It is cheap enough to be called at
// each request. The caller must not change what it gets.
func (s *Settings) Rules(repo string) registry.Rules {
	for i := range s.Repositories {
		if s.Repositories[i].Pattern.Match(repo) {
			return s.Repositories[i].rules()
		}
	}
	return Repository{}.rules()
}

func (r Repository) rules() registry.Rules {
	mode := r.ReferrersHeader.mode
	if mode == "" {
		mode = registry.HeaderAlways
	}
	return registry.Rules{Indexes: r.Indexes.rule, SparseImages: r.Images.sparse, ReferrersHeader: mode}
}

// ForRegistry returns the limits as the registry takes them.
func (l Limits) ForRegistry() registry.Limits {
	out := registry.DefaultLimits
	if l.ManifestSize != 0 {
		out.ManifestSize = int64(l.ManifestSize)
	}
	if l.TagsPerPush != 0 {
		out.TagsPerPush = int(l.TagsPerPush)
	}
	return out
}
