package proxy

import (
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A kind is a kind of resource, as far as the proxy does something about it.
type kind int

const (
	kindOther     kind = iota // whatever is only passed on
	kindManifest              // /v2/<name>/manifests/<tag-or-digest>
	kindBlob                  // /v2/<name>/blobs/<digest>
	kindReferrers             // /v2/<name>/referrers/<digest>
	kindUploads               // /v2/<name>/blobs/uploads/
	kindUpload                // /v2/<name>/blobs/uploads/<id>
)

// A target is what a path points to.
type target struct {
	kind kind
	repo string // "" where the path is about no repository
	last string // the tag, digest or id
}

// tag returns the tag that the target names, "" if it names none.
func (t target) tag() string {
	if t.kind == kindManifest && oci.ValidTag(t.last) {
		return t.last
	}
	return ""
}

// digest returns the digest that the target names, "" if it names none.
func (t target) digest() oci.Digest {
	if t.kind == kindOther || t.kind == kindUploads || t.kind == kindUpload {
		return ""
	}
	d, _ := oci.ParseDigest(t.last)
	return d
}

// parse reads the path of a request, decoded. What is below /v2/ and not known
// here is for the registry to judge; but no path may lead out of /v2/, where the
// registry may have more that the login is good for. Errors: oci.ErrUnsupported,
// and oci.ErrNameInvalid for an upload, which the registry is not asked about.
func parse(path string) (target, error) {
	rest, ok := strings.CutPrefix(path, "/v2/")
	switch {
	case path == "/v2" || path == "/v2/":
		return target{}, nil
	case !ok || !plain(rest):
		return target{}, oci.ErrUnsupported.With(nil, "the registry is at /v2/, and has no such path")
	}
	t := split(rest)
	if (t.kind == kindUploads || t.kind == kindUpload) && !oci.ValidName(t.repo) {
		return t, oci.ErrNameInvalid.With(nil, "%q is not a repository name", oci.Clip(t.repo))
	}
	return t, nil
}

// plain says whether a path means the same to everybody who reads it: it has no
// segments that some resolve, and no characters that some decode once more.
func plain(path string) bool {
	for i := range len(path) {
		if !isPlain(path[i]) {
			return false
		}
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func isPlain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~:+=@/", c) >= 0
}

// split finds the kind by the segments before the last one: a name has slashes,
// and may have segments like "blobs".
func split(rest string) target {
	if name, ok := strings.CutSuffix(strings.TrimSuffix(rest, "/"), "/blobs/uploads"); ok {
		return target{kind: kindUploads, repo: name}
	}
	slash := strings.LastIndexByte(rest, '/')
	head, last := rest[:max(slash, 0)], rest[slash+1:]
	for _, k := range []struct {
		infix string
		kind  kind
	}{
		{"/blobs/uploads", kindUpload},
		{"/blobs", kindBlob},
		{"/manifests", kindManifest},
		{"/referrers", kindReferrers},
		{"/tags", kindOther},
	} {
		if name, ok := strings.CutSuffix(head, k.infix); ok && last != "" {
			return target{kind: k.kind, repo: name, last: last}
		}
	}
	return target{repo: extended(rest)}
}

// extended returns the repository of an extension's path: what stands before the
// first segment with an underscore, with which none of a name begins.
func extended(rest string) string {
	name, _, ok := strings.Cut(rest, "/_")
	if !ok || !oci.ValidName(name) {
		return ""
	}
	return name
}
