package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/berthregistry/berth/shared/oci"
)

// Before there were referrers, what belongs to a manifest had a tag made of its
// digest, and some tools still do that: sha256-<hex>.sig, .att and .sbom are
// cosign's, and sha256-<hex> alone is an index of referrers (distribution-spec,
// "Referrers Tag Schema"). They are found by one look at the list of tags.

// digestTag is what such a tag looks like. Of longer digests it has the first 64
// digits.
var digestTag = regexp.MustCompile(`^sha(256|512)-[0-9a-f]{64}(\.[a-z0-9-]{1,20})?$`)

// maxDigestTags is about how many of them are looked at.
const maxDigestTags = 100_000

// suffixes are what cosign appends, and what it then keeps there.
var suffixes = map[string]kind{".sig": kindSignature, ".att": kindAttestation, ".sbom": kindSBOM}

// asTag writes a digest as the beginning of a tag.
func asTag(digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return algorithm + "-" + hex[:min(len(hex), 64)]
}

// errPassed ends the reading of a list of tags.
var errPassed = errors.New("enough tags are read")

// digestTags are the tags of the repository that are made of digests. Where the
// list is not to be had, or not to its end, they are not found, and nothing is
// wrong: if the registry does not answer at all, the next request says so.
func (w *walker) digestTags(ctx context.Context) map[string]bool {
	found := map[string]bool{}
	_ = w.repo.Tags(ctx, "sha256", func(tags []string) error {
		for _, tag := range tags {
			if digestTag.MatchString(tag) {
				found[tag] = true
			}
		}
		past := len(tags) > 0 && slices.IsSorted(tags) && tags[len(tags)-1] > "sha512-g"
		if past || len(found) > maxDigestTags {
			return errPassed
		}
		return nil
	})
	return found
}

// tagged adds what tags made of a manifest's digest lead to.
func (w *walker) tagged(ctx context.Context, n *node, depth int) error {
	for _, suffix := range []string{".sig", ".att", ".sbom"} {
		tag := asTag(n.digest) + suffix
		if !w.tags[tag] {
			continue
		}
		child, err := w.byTag(ctx, tag, suffix, depth+1)
		if err != nil {
			return err
		}
		n.referrers = append(n.referrers, child)
	}
	return nil
}

// byTag returns the node of a manifest of cosign's. What its types do not tell of
// it the suffix does.
func (w *walker) byTag(ctx context.Context, tag, suffix string, depth int) (*node, error) {
	d, raw, err := w.fetchTag(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) { // between the list and now
		return &node{label: arrow + suffix + " tag", tag: tag, state: missing, nature: nature{kind: suffixes[suffix], format: "cosign"}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch tag %s: %w", tag, err)
	}
	n := newNode(arrow+suffix+" tag", d)
	n.tag = tag
	if n.state = w.enter(n.digest, depth); n.state == here {
		err = w.fill(ctx, n, d, raw, depth)
	}
	if k := n.kind; n.format == "" || n.format == "in-toto" && k == suffixes[suffix] {
		n.kind, n.format = suffixes[suffix], "cosign"
	}
	return n, err
}

// fallback returns the descriptors of the index that lists a manifest's referrers
// under a tag. A registry that has a better list may have been given that as well,
// when an image was copied with all its tags.
func (w *walker) fallback(ctx context.Context, digest string) ([]oci.Descriptor, error) {
	tag := asTag(digest)
	if !w.tags[tag] {
		return nil, nil
	}
	d, raw, err := w.fetchTag(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) || err == nil && !oci.IsIndex(d.MediaType) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch tag %s: %w", tag, err)
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("read tag %s: %w", tag, err)
	}
	return m.Manifests, nil
}

// fetchTag reads the manifest that a tag, or a digest, stands for.
func (w *walker) fetchTag(ctx context.Context, reference string) (oci.Descriptor, []byte, error) {
	d, body, err := w.repo.FetchReference(ctx, reference)
	if err != nil {
		return d, nil, err
	}
	defer body.Close()
	if d.Size > maxMetadata {
		return d, nil, fmt.Errorf("a manifest of %s is more than can be read", human(d.Size))
	}
	raw, err := content.ReadAll(body, d)
	return d, raw, err
}
