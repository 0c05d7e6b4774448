package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

// A Remote is a repository of any registry, as origin and as target.
type Remote struct {
	Blobs *transfer.Repository
	Repo  *remote.Repository // the same one
	// From are other repositories of the registry, which may have the blobs already.
	From []string
}

var (
	_ Origin   = (*Remote)(nil)
	_ Target   = (*Remote)(nil)
	_ Resolver = (*Remote)(nil)
)

// Resolve implements Origin and Resolver.
func (r *Remote) Resolve(ctx context.Context, reference string) (d oci.Descriptor, err error) {
	err = again(ctx, func() (err error) {
		if d, err = r.Repo.Resolve(ctx, reference); err == nil || !headless(err) {
			return err
		}
		var body io.ReadCloser
		if d, body, err = r.Repo.FetchReference(ctx, reference); err != nil {
			return err
		}
		return body.Close()
	})
	return plain(d), err
}

// headless says whether a registry's answer to a HEAD lacks what it should have.
// A GET then tells more.
func headless(err error) bool {
	if _, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return isRefusal(err, http.StatusMethodNotAllowed)
	}
	_, failed := errors.AsType[*url.Error](err)
	return !failed && !errors.Is(err, errdef.ErrNotFound) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// isRefusal says whether an error is a registry's answer with this status.
func isRefusal(err error, status int) bool {
	said, ok := errors.AsType[*errcode.ErrorResponse](err)
	return ok && said.StatusCode == status
}

// Manifest implements Origin.
func (r *Remote) Manifest(ctx context.Context, d oci.Descriptor) (raw []byte, err error) {
	if d.Size > r.Repo.MaxMetadataBytes {
		return nil, fmt.Errorf("a manifest of %d bytes is more than is read", d.Size)
	}
	err = again(ctx, func() (err error) {
		raw, err = content.FetchAll(ctx, r.Repo.Manifests(), d)
		return err
	})
	return raw, err
}

// Referrers implements Origin.
func (r *Remote) Referrers(ctx context.Context, subject oci.Descriptor) (found []oci.Descriptor, err error) {
	err = again(ctx, func() error {
		found = nil
		return r.Repo.Referrers(ctx, subject, "", func(page []oci.Descriptor) error {
			if found = append(found, page...); len(found) > maxManifests {
				return fmt.Errorf("more than %d manifests refer to %s", maxManifests, subject.Digest)
			}
			return nil
		})
	})
	return found, err
}

// maxTags is how many tags of a repository are listed.
const maxTags = 200_000

// Tags implements Origin.
func (r *Remote) Tags(ctx context.Context) (tags []string, err error) {
	err = again(ctx, func() error {
		tags = nil
		return r.Repo.Tags(ctx, "", func(page []string) error {
			if tags = append(tags, page...); len(tags) > maxTags {
				return fmt.Errorf("the repository has more than %d tags", maxTags)
			}
			return nil
		})
	})
	slices.Sort(tags)
	return slices.Compact(tags), err
}

// Blob implements Origin.
func (r *Remote) Blob(ctx context.Context, d oci.Descriptor) (transfer.Source, error) {
	return r.Blobs.Blob(ctx, d)
}

// Standing implements Target.
func (r *Remote) Standing(ctx context.Context, blobs, manifests []oci.Descriptor) (transfer.Standing, error) {
	return r.Blobs.Standing(ctx, blobs, manifests, r.From)
}

// PutBlob implements Target.
func (r *Remote) PutBlob(ctx context.Context, d oci.Descriptor, from transfer.Source, w transfer.Watcher) error {
	_, err := r.Blobs.Push(ctx, d, from, w)
	return err
}

// PutManifest implements Target. Where the registry keeps no list of referrers,
// that of a subject is brought up to date as well.
func (r *Remote) PutManifest(ctx context.Context, d oci.Descriptor, raw []byte, tags []string) error {
	names, byDigest := tags, len(tags) == 0
	if oci.AlgorithmOf(d.Digest) != oci.SHA256 {
		names, byDigest = nil, true // by a tag it would become known by its SHA-256
	}
	if byDigest {
		names = []string{string(d.Digest)}
	}
	for _, name := range names {
		err := again(ctx, func() error {
			return r.Repo.Manifests().PushReference(ctx, d, bytes.NewReader(raw), name)
		})
		if err != nil {
			return err
		}
	}
	if byDigest && len(tags) > 0 {
		return again(ctx, func() error { return r.tag(ctx, d, raw, tags) })
	}
	return nil
}

// tag points tags at a manifest that is put by its digest (spec, "Pushing
// Manifests with Tags").
func (r *Remote) tag(ctx context.Context, d oci.Descriptor, raw []byte, tags []string) error {
	where := url.URL{
		Scheme:   "https",
		Host:     r.Repo.Reference.Host(),
		Path:     "/v2/" + r.Repo.Reference.Repository + "/manifests/" + string(d.Digest),
		RawQuery: url.Values{"tag": tags}.Encode(),
	}
	if r.Repo.PlainHTTP {
		where.Scheme = "http"
	}
	ctx = auth.AppendRepositoryScope(ctx, r.Repo.Reference, auth.ActionPull, auth.ActionPush)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, where.String(), bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Content-Type", d.MediaType)
	resp, err := r.Repo.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("put tags: the registry answered %s", resp.Status)
	}
	taken := strings.FieldsFunc(strings.Join(resp.Header.Values("OCI-Tag"), ","), func(c rune) bool { return c == ',' || c == ' ' })
	for _, tag := range tags {
		if !slices.Contains(taken, tag) {
			return fmt.Errorf("put tags: the registry did not take %s, for a digest of %s", tag, oci.AlgorithmOf(d.Digest))
		}
	}
	return nil
}
