package distribution

import (
	"net/http"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// The headers in which a client may say what a request is about (proposals of
// distribution-spec pull request 358), in Go's canonical form. What the first
// one that is present says counts, even if that is nothing.
var hintHeaders = []struct {
	name string
	read func(value, repo string) (mention, bool)
}{
	{"Oci-Ref", readMention},
	{"Oci-Named-Ref", readMention},
	{"Docker-Manifest-Tag", readTag},
}

// headerDigests lists the digests of manifests that led to what is asked for.
// It goes with any of the others.
const headerDigests = "Docker-Manifest-Digest"

// Bounds of a hint: how many values are looked at, and of what size in bytes.
const (
	maxMentions = 4
	maxMention  = 1 << 10
)

// A hint is what a client says that a request is about: the image of which it
// fetches a layer, say. Nothing may be believed of it.
type hint []mention

// A mention is one value of a hint. It has a tag or a digest, or both.
type mention struct {
	tag    string
	digest oci.Digest
}

// readHint reads what the header of a request says about a repository. What is
// no reference, or one to another repository, is as if it were not there.
func readHint(h http.Header, repo string) hint {
	if repo == "" {
		return nil
	}
	var out hint
	for _, kind := range hintHeaders {
		if values := h[kind.name]; len(values) > 0 {
			out = readMentions(out, values, repo, kind.read)
			break
		}
	}
	return readMentions(out, h[headerDigests], repo, readDigest)
}

// readMentions adds what the values say, separated by commas as well: a gateway
// may have joined them.
func readMentions(to hint, values []string, repo string, read func(value, repo string) (mention, bool)) hint {
	room := maxMentions - len(to)
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			if room == 0 {
				return to
			}
			room--
			if m, ok := read(strings.Trim(one, " \t"), repo); ok && len(one) <= maxMention {
				to = append(to, m)
			}
		}
	}
	return to
}

// readMention reads [host/]repository[:tag][@digest].
func readMention(value, repo string) (m mention, ok bool) {
	name, digest, pinned := strings.Cut(value, "@")
	if pinned {
		var err error
		if m.digest, err = oci.ParseDigest(digest); err != nil {
			return mention{}, false
		}
	}
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name, m.tag = name[:colon], name[colon+1:]
		if !oci.ValidTag(m.tag) {
			return mention{}, false
		}
	}
	return m, (pinned || m.tag != "") && isNamed(name, repo)
}

// isNamed says whether a name is that of the repository, with a host in front or
// without. Which host does not matter: the registry may have many names, or a
// proxy in front.
func isNamed(name, repo string) bool {
	host, ok := strings.CutSuffix(name, repo)
	if !ok || host == "" {
		return ok
	}
	host, ok = strings.CutSuffix(host, "/")
	return ok && !strings.Contains(host, "/") && (strings.ContainsAny(host, ".:") || host == "localhost")
}

func readTag(value, _ string) (mention, bool) { return mention{tag: value}, oci.ValidTag(value) }

func readDigest(value, _ string) (mention, bool) {
	d, err := oci.ParseDigest(value)
	return mention{digest: d}, err == nil
}

// references returns the tags and digests, those of the first mention first.
func (h hint) references() []oci.Reference {
	var out []oci.Reference
	for _, m := range h {
		if m.tag != "" {
			out = append(out, oci.Reference{Tag: m.tag})
		}
		if m.digest != "" {
			out = append(out, oci.Reference{Digest: m.digest})
		}
	}
	return out
}

// pins says whether the tag is said to be at the digest.
func (h hint) pins(tag string, d oci.Digest) bool { return slices.Contains(h, mention{tag, d}) }

// String is what logs have of a hint: nothing but tags and digests.
func (h hint) String() string {
	var out []string
	for _, m := range h {
		switch {
		case m.digest == "":
			out = append(out, m.tag)
		case m.tag == "":
			out = append(out, string(m.digest))
		default:
			out = append(out, m.tag+"@"+string(m.digest))
		}
	}
	return strings.Join(out, " ")
}
