package checkup

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

func (v *visit) smallBlobs(ctx context.Context) Finding {
	for _, name := range []string{config, plain, small} {
		b := v.artifact.blobs[name]
		a, err := v.ask(ctx, http.MethodGet, v.blobPath(b.digest), nil)
		switch {
		case err != nil:
			return failed(err)
		case a.status != http.StatusOK:
			return broken(a.String(), "see the lines above; the log of the pull function says more")
		case !bytes.Equal(a.body, b.content):
			return changed(a.body, b.content)
		}
	}
	return ok("all values of a byte, as they were pushed")
}

// smallest is what a registry keeps in the table and not in the bucket.
const smallest = 16 << 10

// changed is for content that is not what was pushed.
func changed(got, want []byte) Finding {
	if string(got) == base64.StdEncoding.EncodeToString(want) {
		return inBase64()
	}
	return broken(fmt.Sprintf("it comes back changed: %s of %s", plural(len(got), "byte"), plural(len(want), "byte")),
		"nothing can be set: clients check what they pull, and refuse it")
}

func inBase64() Finding {
	return broken("it comes back in base64",
		"InlineLimit=%d: larger blobs then come from the bucket. Smaller ones that are no text stay broken, and nothing can be set for them", smallest)
}

// inlineBlob gets a blob that may come through the gateway, and finds out how
// much does if it does not.
func (v *visit) inlineBlob(ctx context.Context) Finding {
	b := v.artifact.blobs[inline]
	a, err := v.ask(ctx, http.MethodGet, v.blobPath(b.digest), nil)
	switch {
	case err != nil:
		return failed(err)
	case isRedirect(a.status):
		return ok("it is redirected to the bucket: InlineLimit is smaller")
	case a.status == http.StatusOK && bytes.Equal(a.body, b.content):
		return ok("it comes back as it was pushed")
	case a.status == http.StatusOK:
		return changed(a.body, b.content)
	}
	most := largest(len(b.content), step, func(n int) bool {
		a, err := v.part(ctx, b, 0, n)
		return err == nil && a.status == http.StatusPartialContent && bytes.Equal(a.body, b.content[:n])
	})
	seen := strconv.Itoa(most) + " bytes fit, not 4 MiB: " + a.String()
	if most == 0 {
		return broken(seen, "InlineLimit=%d: larger blobs then come from the bucket; the log of the pull function says more", smallest)
	}
	return broken(seen, "InlineLimit=%d: larger blobs then come from the bucket", most)
}

// part asks the registry for n bytes of a blob.
func (v *visit) part(ctx context.Context, b piece, offset, n int) (answer, error) {
	return v.ask(ctx, http.MethodGet, v.blobPath(b.digest), nil, "Range", bytesRange(offset, n))
}

func bytesRange(offset, n int) string { return fmt.Sprintf("bytes=%d-%d", offset, offset+n-1) }

func isRedirect(status int) bool {
	return slices.Contains([]int{http.StatusTemporaryRedirect, http.StatusFound, http.StatusSeeOther, http.StatusPermanentRedirect, http.StatusMovedPermanently}, status)
}

// follow goes where a redirect points to, without credentials.
func (v *visit) follow(ctx context.Context, method string, a answer, header ...string) (answer, *url.URL, error) {
	to, err := v.URL.Parse(a.get("Location"))
	if err != nil || a.get("Location") == "" {
		return answer{}, nil, fmt.Errorf("the redirect has the Location %q", a.get("Location"))
	}
	next, err := v.send(ctx, v.Anonymous, method, to.String(), nil, header...)
	if err == nil {
		v.bucket, v.reached = next.ahead, next.get("Date") != ""
	}
	return next, to, err
}

const reach = "clients get layers from there: it must be reachable, and its clock right to a minute"

func (v *visit) largeBlob(ctx context.Context) Finding {
	b := v.artifact.blobs[large]
	a, err := v.ask(ctx, http.MethodGet, v.blobPath(b.digest), nil)
	switch {
	case err != nil:
		return failed(err)
	case a.status == http.StatusOK && bytes.Equal(a.body, b.content):
		return ok("it comes from the registry itself")
	case a.status == http.StatusOK:
		return changed(a.body, b.content)
	case a.status != http.StatusTemporaryRedirect:
		return broken(a.String(), "see the lines above; the log of the pull function says more")
	}
	got, at, err := v.follow(ctx, http.MethodGet, a)
	switch {
	case err != nil:
		return broken(err.Error(), reach)
	case got.status != http.StatusOK:
		return broken(at.Host+" answers "+got.String(), reach)
	case !bytes.Equal(got.body, b.content):
		return changed(got.body, b.content)
	case got.get("Content-Type") != octetStream:
		return differs(at.Host+" calls it "+got.get("Content-Type"), "look for what changes answers of the bucket")
	}
	if got.get("Docker-Content-Digest") == "" {
		return ok("from %s; no Docker-Content-Digest there, as expected", at.Host)
	}
	return ok("from %s, with Docker-Content-Digest", at.Host)
}

// rangeOfBlob asks as clients do who resume: the registry first.
func (v *visit) rangeOfBlob(ctx context.Context) Finding {
	for _, name := range []string{small, large} {
		b := v.artifact.blobs[name]
		const offset, n = 100, 100
		a, err := v.part(ctx, b, offset, n)
		if err == nil && isRedirect(a.status) {
			a, _, err = v.follow(ctx, http.MethodGet, a, "Range", bytesRange(offset, n))
		}
		switch {
		case err != nil:
			return failed(err)
		case a.status != http.StatusPartialContent:
			return broken(a.String(), "nothing can be set: clients pull a layer again from its start where a pull broke off")
		case !bytes.Equal(a.body, b.content[offset:offset+n]):
			return changed(a.body, b.content[offset:offset+n])
		}
	}
	return ok("206, of a small and a large one")
}
