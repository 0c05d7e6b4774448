package checkup

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/berthregistry/berth/shared/probe"
)

// heads is what becomes of the length of an answer to HEAD.
type heads struct {
	kept    bool // what was announced arrives
	counted bool // the length of a body arrives
	seen    string
}

// measure asks the probe, once.
func (v *visit) measure(ctx context.Context) (heads, error) {
	if v.heads != nil {
		return *v.heads, nil
	}
	announced, err := v.send(ctx, v.Anonymous, http.MethodHead, probe.AnnouncedPath, nil)
	if err != nil {
		return heads{}, err
	}
	counted, err := v.send(ctx, v.Anonymous, http.MethodHead, probe.CountedPath, nil)
	if err != nil {
		return heads{}, err
	}
	v.heads = &heads{
		kept:    announced.length == probe.Size,
		counted: counted.length == probe.Size,
		seen:    fmt.Sprintf("%s announced, %s with a body, of %d", tell(announced.length), tell(counted.length), probe.Size),
	}
	return *v.heads, nil
}

const noHead = "nothing can be set: containerd cannot pull, podman and Docker push images without sizes; this front door is not for a registry"

// lengthAdvice is what to set for the length to be right.
func (v *visit) lengthAdvice(ctx context.Context) string {
	h, err := v.measure(ctx)
	switch {
	case !v.probed || err != nil:
		return "HeadLength: try counted and kept, in turn"
	case h.kept && v.gateway:
		return "HeadLength=kept"
	case h.counted && v.gateway:
		return "HeadLength=counted"
	case h.kept || h.counted:
		return "look for what changes answers to HEAD between here and the registry"
	}
	return noHead
}

// headLength compares what the gateway does with what the registry is set to.
// That shows in a HEAD of a large blob: it is redirected where lengths are lost.
func (v *visit) headLength(ctx context.Context) Finding {
	h, err := v.measure(ctx)
	if err != nil {
		return failed(err)
	}
	redirected, err := v.redirectsHead(ctx)
	switch {
	case err != nil:
		return failed(err)
	case !h.kept && !h.counted:
		return broken(h.seen, noHead)
	case !v.gateway && h.kept:
		return ok("it is what the registry says: there is no gateway")
	case h.kept && redirected:
		return differs("it is what the registry says", "HeadLength=kept: HEAD of a blob then costs no redirect")
	case h.kept:
		return ok("it is what the registry says, and HeadLength is kept")
	case !redirected:
		return broken("it is counted, and HeadLength is kept", "HeadLength=counted")
	}
	return ok("it is, of a body that is not sent")
}

// redirectsHead says whether HEAD of a large blob is redirected; as by default
// where there is no such blob.
func (v *visit) redirectsHead(ctx context.Context) (bool, error) {
	b, ok := v.artifact.blobs[large]
	if !ok {
		return true, nil
	}
	a, err := v.ask(ctx, http.MethodHead, v.blobPath(b.digest), nil)
	return isRedirect(a.status), err
}

// blobHead wants the length of each blob, at the registry or where it sends
// clients to.
func (v *visit) blobHead(ctx context.Context) Finding {
	hops := ""
	for _, name := range []string{small, inline, large} {
		b := v.artifact.blobs[name]
		a, err := v.ask(ctx, http.MethodHead, v.blobPath(b.digest), nil)
		if err == nil && isRedirect(a.status) {
			hops = ", of the large ones in the bucket"
			a, _, err = v.follow(ctx, http.MethodHead, a)
		}
		switch {
		case err != nil:
			return broken(err.Error(), reach)
		case a.status != http.StatusOK:
			return broken(a.String(), "see the lines above; the log of the pull function says more")
		case a.length == int64(base64.StdEncoding.EncodedLen(len(b.content))):
			return inBase64() // counted after it was encoded
		case a.length != int64(len(b.content)):
			return broken(fmt.Sprintf("%s of %d", tell(a.length), len(b.content)), "%s", v.lengthAdvice(ctx))
		}
	}
	return ok("small and large%s", hops)
}
