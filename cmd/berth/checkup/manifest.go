package checkup

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// accept is what clients ask for manifests with.
const accept = "application/vnd.docker.distribution.manifest.v2+json, " + oci.MediaTypeImage + ", " + oci.MediaTypeIndex + ", */*"

func (v *visit) manifest(ctx context.Context) Finding {
	m := v.artifact.subject
	for _, ref := range []string{v.id, string(m.digest)} {
		a, err := v.ask(ctx, http.MethodGet, v.manifestPath(ref), nil, "Accept", accept)
		switch {
		case err != nil:
			return failed(err)
		case a.status != http.StatusOK:
			return broken(a.String(), "see the lines above; the log of the pull function says more")
		case !bytes.Equal(a.body, m.content):
			return changed(a.body, m.content)
		case a.get("Content-Type") != oci.MediaTypeImage:
			return broken("it has the type "+a.get("Content-Type"), "nothing can be set: clients cannot tell what it is")
		case a.get("Docker-Content-Digest") != string(m.digest):
			return broken("it has the digest "+a.get("Docker-Content-Digest"), "nothing can be set: clients check it")
		}
	}
	return ok("by tag and by digest, with its type and digest")
}

func (v *visit) manifestHead(ctx context.Context) Finding {
	m := v.artifact.subject
	for _, ref := range []string{v.id, string(m.digest)} {
		a, err := v.ask(ctx, http.MethodHead, v.manifestPath(ref), nil, "Accept", accept)
		switch {
		case err != nil:
			return failed(err)
		case a.status != http.StatusOK:
			return broken(a.String(), "see the lines above; the log of the pull function says more")
		case a.length != int64(len(m.content)):
			return broken(fmt.Sprintf("%s of %d", tell(a.length), len(m.content)), "%s", v.lengthAdvice(ctx))
		}
	}
	return ok("%d bytes, as it has", len(m.content))
}

// tell writes a Content-Length.
func tell(length int64) string {
	if length < 0 {
		return "no length"
	}
	return fmt.Sprint(length)
}

func (v *visit) notModified(ctx context.Context) Finding {
	etag := `"` + string(v.artifact.subject.digest) + `"`
	a, err := v.ask(ctx, http.MethodGet, v.manifestPath(v.id), nil, "If-None-Match", etag)
	if err != nil {
		return failed(err)
	}
	if a.status != http.StatusNotModified || len(a.body) > 0 {
		return broken("it is "+a.String(), "nothing can be set: caches between clients and the registry must not revalidate; clients themselves do not")
	}
	if a.get("Etag") != etag {
		return harmless("304 without its Etag", "whoever asks knows it")
	}
	return ok("304 for a manifest that has not changed")
}

// referrers looks at the header of a manifest without referrers, gives it one,
// and looks again. A registry may be set not to send the header unless asked,
// or only to say that there are none.
func (v *visit) referrers(ctx context.Context) Finding {
	before, err := v.presence(ctx)
	if err != nil {
		return failed(err)
	}
	if before == "" {
		return skipped("no header: ReferrersHeader is off, or this is another registry")
	}
	m := v.artifact.subject
	subject := v1.Descriptor{MediaType: oci.MediaTypeImage, Digest: m.digest, Size: int64(len(m.content))}
	if v.artifact.referrer, err = v.putManifest(ctx, "", v.image(subject)); err != nil {
		return broken("a referrer cannot be pushed: "+err.Error(), "see the lines above; the log of the push function says more")
	}
	after, err := v.presence(ctx)
	switch {
	case err != nil:
		return failed(err)
	case after == "absent":
		return broken("absent, although there is one", "look for a cache in front that answers for the registry: it must not")
	case before != "absent":
		return broken(before+", although there is none", "look for a cache in front that answers for the registry: it must not")
	case after == "":
		return ok("absent, then no header, as ReferrersHeader=absent-only has it")
	}
	return ok("absent, then %s", after)
}

// presence is the header of the artifact.
func (v *visit) presence(ctx context.Context) (string, error) {
	a, err := v.ask(ctx, http.MethodHead, v.manifestPath(v.id), nil, "Oci-Referrers", "request")
	return a.get("Oci-Referrers"), err
}
