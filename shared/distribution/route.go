package distribution

import (
	"strings"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// A Route is a kind of resource.
type Route string

// The routes. Their values are what logs and metrics call them.
const (
	RoutePing      Route = "ping"      // /v2/
	RouteCatalog   Route = "catalog"   // /v2/_catalog
	RouteTags      Route = "tags"      // /v2/<name>/tags/list
	RouteManifest  Route = "manifest"  // /v2/<name>/manifests/<tag-or-digest>
	RouteReferrers Route = "referrers" // /v2/<name>/referrers/<digest>
	RouteBlob      Route = "blob"      // /v2/<name>/blobs/<digest>
	RouteUploads   Route = "uploads"   // /v2/<name>/blobs/uploads/
	RouteUpload    Route = "upload"    // /v2/<name>/blobs/uploads/<id>
	RouteNone      Route = "none"      // anything else

	// Of extensions: see direct.go, discover.go and events.go.
	RouteDiscover      Route = "discover"       // /v2/<name>/_oci/ext/discover
	RouteEvents        Route = "events"         // /v2/<name>/_berth/v1/events
	RouteDirectUploads Route = "direct-uploads" // /v2/<name>/_berth/v1/uploads
	RouteDirectUpload  Route = "direct-upload"  // /v2/<name>/_berth/v1/uploads/<id>
	RouteDirectParts   Route = "direct-parts"   // /v2/<name>/_berth/v1/uploads/<id>/parts
)

// isDirect says whether a route is one of direct transfer.
func (r Route) isDirect() bool {
	return r == RouteDirectUploads || r == RouteDirectUpload || r == RouteDirectParts
}

// A Target is what a path points to. What the route does not have is zero.
type Target struct {
	Route  Route
	Repo   string
	Ref    oci.Reference // manifest
	Digest oci.Digest    // blob, referrers
	Upload string
}

// Label is the last part of the target, for logs.
func (t Target) Label() string {
	switch {
	case t.Upload != "":
		return t.Upload
	case t.Digest != "":
		return string(t.Digest)
	}
	return t.Ref.String()
}

// Path is the path of the target, which Parse reads it from. It needs no escapes
// in a URL.
func (t Target) Path() string {
	switch t.Route {
	case RoutePing:
		return "/v2/"
	case RouteCatalog:
		return "/v2/_catalog"
	case RouteTags:
		return "/v2/" + t.Repo + "/tags/list"
	case RouteManifest:
		return "/v2/" + t.Repo + "/manifests/" + t.Ref.String()
	case RouteReferrers:
		return "/v2/" + t.Repo + "/referrers/" + string(t.Digest)
	case RouteBlob:
		return "/v2/" + t.Repo + "/blobs/" + string(t.Digest)
	case RouteUploads, RouteUpload:
		return "/v2/" + t.Repo + "/blobs/uploads/" + t.Upload
	case RouteDiscover:
		return "/v2/" + t.Repo + discover
	case RouteEvents:
		return "/v2/" + t.Repo + "/" + eventsEndpoint
	case RouteDirectUploads:
		return "/v2/" + t.Repo + directUploads
	case RouteDirectUpload:
		return "/v2/" + t.Repo + directUploads + "/" + t.Upload
	case RouteDirectParts:
		return "/v2/" + t.Repo + directUploads + "/" + t.Upload + "/" + directParts
	}
	return ""
}

// Parse reads the path of a request, decoded. All names, tags, digests and ids
// in it are checked here and nowhere behind. The target is of use beside an error: it
// then holds what was understood. Errors: oci.ErrNameInvalid,
// oci.ErrDigestInvalid, oci.ErrManifestUnknown, oci.ErrUploadUnknown, and
// oci.ErrUnsupported for a path that is none of the spec's.
//
// A name has slashes and may have segments like "blobs", so paths are read from
// their end.
func Parse(path string) (Target, error) {
	rest, ok := strings.CutPrefix(path, "/v2")
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return Target{Route: RouteNone}, oci.ErrUnsupported.With(nil, "the registry is at /v2/")
	case rest == "" || rest == "/":
		return Target{Route: RoutePing}, nil
	case rest == "/_catalog":
		return Target{Route: RouteCatalog}, nil
	}
	t, name, last := splitExtension(rest[1:])
	if t.Route == RouteNone {
		t, name, last = split(rest[1:])
	}
	if t.Route == RouteNone || name == "" {
		return Target{Route: RouteNone}, oci.ErrUnsupported.With(nil, "no such endpoint")
	}
	if !oci.ValidName(name) {
		name = oci.Clip(name)
		return t, oci.ErrNameInvalid.With(map[string]string{"name": name}, "%q is not a repository name", name)
	}
	t.Repo = name
	var err error
	switch t.Route {
	case RouteManifest:
		t.Ref, err = oci.ParseReference(last)
	case RouteBlob, RouteReferrers:
		t.Digest, err = oci.ParseDigest(last)
	case RouteUpload, RouteDirectUpload, RouteDirectParts:
		t.Upload, err = parseUpload(last)
	}
	return t, err
}

// parseUpload keeps out what no upload was ever called. Ids are spelt like tags.
func parseUpload(id string) (string, error) {
	if !oci.ValidTag(id) {
		return "", oci.ErrUploadUnknown.With(nil, "%q is not the id of an upload", oci.Clip(id))
	}
	return id, nil
}

// split finds the route by the segments before the last one.
func split(rest string) (t Target, name, last string) {
	for _, suffix := range []string{"/blobs/uploads/", "/blobs/uploads"} {
		if name, ok := strings.CutSuffix(rest, suffix); ok {
			return Target{Route: RouteUploads}, name, ""
		}
	}
	if name, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return Target{Route: RouteTags}, name, ""
	}
	head, last, _ := cutLast(rest)
	for _, k := range []struct {
		infix string
		route Route
	}{
		{"/blobs/uploads", RouteUpload},
		{"/blobs", RouteBlob},
		{"/manifests", RouteManifest},
		{"/referrers", RouteReferrers},
	} {
		if name, ok := strings.CutSuffix(head, k.infix); ok {
			return Target{Route: k.route}, name, last
		}
	}
	return Target{Route: RouteNone}, "", ""
}

// The paths of extensions behind a name.
const (
	discover      = "/_oci/ext/discover"
	directUploads = "/" + direct.Uploads
	directParts   = "parts"
)

// splitExtension finds the routes of extensions. No segment of a name begins with
// an underscore, so the name ends where the extension begins.
func splitExtension(rest string) (t Target, name, last string) {
	if name, ok := strings.CutSuffix(rest, discover); ok {
		return Target{Route: RouteDiscover}, name, ""
	}
	if name, ok := strings.CutSuffix(rest, "/"+eventsEndpoint); ok {
		return Target{Route: RouteEvents}, name, ""
	}
	if name, below, ok := strings.Cut(rest, directUploads); ok {
		switch below := strings.SplitN(below, "/", 4); {
		case below[0] != "":
			// it only begins like the extension
		case len(below) == 1:
			return Target{Route: RouteDirectUploads}, name, ""
		case len(below) == 2:
			return Target{Route: RouteDirectUpload}, name, below[1]
		case len(below) == 3 && below[2] == directParts:
			return Target{Route: RouteDirectParts}, name, below[1]
		}
	}
	return Target{Route: RouteNone}, "", ""
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
