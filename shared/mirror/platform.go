package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/oci"
)

// unknown is the platform under which BuildKit lists attestations, and about
// the annotation by which it says of what.
const (
	unknown = "unknown/unknown"
	about   = "vnd.docker.reference.digest"
)

// platforms are those that were asked for; none stands for all.
type platforms []string

// have says whether what is for this platform was asked for. linux/arm stands
// for all its variants.
func (p platforms) have(platform string) bool {
	return len(p) == 0 || slices.ContainsFunc(p, func(asked string) bool {
		return platform == asked || strings.HasPrefix(platform, asked+"/")
	})
}

// mayHave says whether a platform is one of those but for the variant, which
// configs often do not say.
func (p platforms) mayHave(platform string) bool {
	return slices.ContainsFunc(p, func(asked string) bool { return strings.HasPrefix(asked, platform+"/") })
}

// chosen returns the entries of an index that belong to the platforms: theirs,
// those that are for no platform, and the attestations that are about one of
// these. left is how many do not.
func (p platforms) chosen(raw []byte, entries []oci.Child) (chosen []oci.Child, left int, err error) {
	subjects, err := attested(raw)
	if err != nil {
		return nil, 0, fmt.Errorf("read annotations: %w", err)
	}
	mine := map[oci.Digest]bool{}
	for _, e := range entries {
		mine[e.Digest] = slices.ContainsFunc(e.Platforms, func(name string) bool {
			return name != "" && name != unknown && p.have(name)
		})
	}
	for _, e := range entries {
		subject, attests := subjects[e.Digest]
		if mine[e.Digest] || attests && mine[subject] || !attests && slices.ContainsFunc(e.Platforms, isNone) {
			chosen = append(chosen, e)
		}
	}
	return chosen, len(entries) - len(chosen), nil
}

// check refuses what is for platforms, and for none of those asked for.
func (p platforms) check(named []string) error {
	if len(named) == 0 || slices.ContainsFunc(named, p.have) {
		return nil
	}
	return fmt.Errorf("%w: there is nothing for %s, but for %s", errPlatform, clip(p), clip(named))
}

func isNone(platform string) bool { return platform == "" || platform == unknown }

// namedOf lists the platforms of an index.
func namedOf(entries []oci.Child) []string {
	var names []string
	for _, e := range entries {
		for _, name := range e.Platforms {
			if !isNone(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// clip makes a stranger's list of platforms fit for an error.
func clip(names []string) string { return oci.Clip(strings.Join(names, ", ")) }

// attested says which entries of an index are attestations, and of what.
func attested(raw []byte) (map[oci.Digest]oci.Digest, error) {
	var index v1.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, err
	}
	subjects := map[oci.Digest]oci.Digest{}
	for _, d := range index.Manifests {
		if subject := d.Annotations[about]; subject != "" {
			subjects[d.Digest] = oci.Digest(subject)
		}
	}
	return subjects, nil
}

// single returns the image of an index that a target gets which holds no index.
func (w *walk) single(ctx context.Context, d oci.Descriptor) (oci.Descriptor, error) {
	for range maxDepth {
		if !oci.IsIndex(d.MediaType) {
			return d, nil
		}
		_, m, err := w.fetch(ctx, d)
		if err != nil {
			return d, err
		}
		entry, err := platforms(w.o.Platforms).only(d, m.Children)
		if err != nil {
			return d, err
		}
		d = plain(entry.Descriptor)
	}
	return d, fmt.Errorf("%s is nested more than %d deep", d.Digest, maxDepth)
}

// only returns the one entry of an index for the platforms.
func (p platforms) only(d oci.Descriptor, entries []oci.Child) (oci.Child, error) {
	images := slices.DeleteFunc(slices.Clone(entries), func(e oci.Child) bool {
		return e.Kind != oci.ChildManifest || slices.Contains(e.Platforms, unknown)
	})
	if len(p) == 0 && len(images) > 1 {
		p = platforms{"linux/" + runtime.GOARCH}
	}
	if len(p) > 0 {
		images = slices.DeleteFunc(images, func(e oci.Child) bool { return !slices.ContainsFunc(e.Platforms, p.have) })
	}
	if len(images) == 1 {
		return images[0], nil
	}
	return oci.Child{}, fmt.Errorf("%s has %d images for %s, and just one is wanted; say which by its platform: %s",
		d.Digest, len(images), clip(p), clip(namedOf(entries)))
}

// maxConfig is the size in bytes of the largest config that is read.
const maxConfig = 8 << 20

// errPlatform is about an image for another platform than those asked for.
var errPlatform = errors.New("not for this platform")

// checkPlatform refuses an index, or an image, that has nothing for the
// platforms. Artifacts are for none.
func (w *walk) checkPlatform(ctx context.Context, n *node, m oci.Manifest) error {
	asked := platforms(w.o.Platforms)
	if oci.IsIndex(n.MediaType) {
		return asked.check(namedOf(m.Children))
	}
	config := m.Children[0] // of an image, the first
	if config.Size > maxConfig {
		return nil
	}
	raw := make([]byte, config.Size)
	if err := w.readBlob(ctx, config.Descriptor, raw); err != nil {
		return fmt.Errorf("read config %s: %w", config.Digest, err)
	}
	var is v1.Platform
	if json.Unmarshal(raw, &is) != nil || oci.PlatformString(&is) == "" {
		return nil // not of an image
	}
	if name := oci.PlatformString(&is); !asked.mayHave(name) {
		return asked.check([]string{name})
	}
	return nil
}

func (w *walk) readBlob(ctx context.Context, d oci.Descriptor, into []byte) error {
	source, err := w.from.Blob(ctx, d)
	if err != nil {
		return err
	}
	defer source.Close()
	return source.ReadPart(ctx, 0, into)
}
