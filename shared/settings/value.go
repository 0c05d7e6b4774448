package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/berthregistry/berth/shared/pattern"
	"github.com/berthregistry/berth/shared/registry"
)

// UnmarshalYAML reads all, and checks what an entry cannot see by itself.
func (s *Settings) UnmarshalYAML(node ast.Node) error {
	type plain Settings
	if err := yaml.NodeToValue(node, (*plain)(s), yaml.Strict()); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, r := range s.Repositories {
		pattern := r.Pattern.String()
		switch {
		case pattern == "":
			return refuse(find(node, "$.repositories[%d]", i), "this entry has no pattern")
		case seen[pattern]:
			return refuse(find(node, "$.repositories[%d].pattern", i), "pattern %q is there already, and the first holds", pattern)
		}
		seen[pattern] = true
	}
	return nil
}

// find returns the part of the file that a path names, or else the whole.
func find(whole ast.Node, format string, i int) ast.Node {
	path, err := yaml.PathString(fmt.Sprintf(format, i))
	if err != nil {
		return whole
	}
	node, err := path.FilterNode(whole)
	if err != nil || node == nil {
		return whole
	}
	return node
}

// UnmarshalYAML reads a pattern.
func (p *Pattern) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	if p.Repository, err = pattern.ParseRepository(text); err != nil {
		return refuse(node, "%v", err)
	}
	return nil
}

// UnmarshalYAML reads all, none, or a mapping.
func (x *Indexes) UnmarshalYAML(node ast.Node) error {
	if node.Type() == ast.MappingType {
		return x.platforms(node)
	}
	text, err := word(node)
	if err != nil {
		return err
	}
	switch text {
	case "all":
		x.rule = registry.IndexRule{}
	case "none":
		x.rule = registry.IndexRule{AllowMissing: true, AllowUnnamed: true}
	default:
		return refuse(node, "indexes is all, none or a list of platforms, not %q", text)
	}
	return nil
}

func (x *Indexes) platforms(node ast.Node) error {
	var m struct {
		Platforms []platform `yaml:"platforms"`
		Unnamed   presence   `yaml:"unnamed"`
	}
	if err := yaml.NodeToValue(node, &m, yaml.Strict()); err != nil {
		return err
	}
	if len(m.Platforms) == 0 {
		return refuse(node, "no platforms are listed; if none is meant, say indexes: none")
	}
	x.rule = registry.IndexRule{AllowMissing: true, AllowUnnamed: m.Unnamed == "optional"}
	for _, p := range m.Platforms {
		x.rule.Platforms = append(x.rule.Platforms, string(p))
	}
	return nil
}

// UnmarshalYAML reads all or none.
func (i *Images) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	if text != "all" && text != "none" {
		return refuse(node, "images is all or none, not %q", text)
	}
	i.sparse = text == "none"
	return nil
}

// A platform is os/architecture[/variant].
type platform string

var platformForm = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(/[a-z0-9.]+)?$`)

func (p *platform) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	if !platformForm.MatchString(text) {
		return refuse(node, "%q is no platform; write os/architecture or os/architecture/variant, such as linux/arm64", text)
	}
	*p = platform(text)
	return nil
}

// presence is required or optional.
type presence string

func (p *presence) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	if text != "required" && text != "optional" {
		return refuse(node, "unnamed is required or optional, not %q", text)
	}
	*p = presence(text)
	return nil
}

var headerModes = []registry.HeaderMode{
	registry.HeaderAlways, registry.HeaderAbsentOnly, registry.HeaderOnRequest, registry.HeaderOff,
}

// UnmarshalYAML reads a mode.
func (h *ReferrersHeader) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	if !slices.Contains(headerModes, registry.HeaderMode(text)) {
		return refuse(node, "referrers-header is always, absent-only, on-request or off, not %q", text)
	}
	h.mode = registry.HeaderMode(text)
	return nil
}

// The bounds of a manifest's size: the spec asks for the lower one ("Pushing
// Manifests"), memory for the upper.
const (
	leastManifestSize = 4 << 20
	mostManifestSize  = 64 << 20
)

// UnmarshalYAML reads a size.
func (m *ManifestSize) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	n, ok := parseSize(text)
	if !ok {
		return refuse(node, "%q is no size; write bytes, or a number with KiB or MiB, such as 4MiB", text)
	}
	if n < leastManifestSize || n > mostManifestSize {
		return refuse(node, "manifest-size is 4MiB to 64MiB, not %s", text)
	}
	*m = ManifestSize(n)
	return nil
}

// parseSize reads a whole number with or without a unit.
func parseSize(text string) (n int64, ok bool) {
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}} {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 40)
	return n * unit, err == nil
}

const leastTagsPerPush = 10

// UnmarshalYAML reads a number of tags.
func (t *TagsPerPush) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < leastTagsPerPush || n > registry.MaxTagsPerPush {
		return refuse(node, "tags-per-push is %d to %d, not %s", leastTagsPerPush, registry.MaxTagsPerPush, text)
	}
	*t = TagsPerPush(n)
	return nil
}
