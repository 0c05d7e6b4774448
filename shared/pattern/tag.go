package pattern

import (
	"errors"
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A Tag is a tag in which "*" stands for any run of characters, also an empty
// one.
//
//	release-*  release-1.0, and release-
//	*-rc       1.0-rc
//	*          all
type Tag struct{ text text }

// ParseTag reads a pattern. One that can fit no tag is an error.
func ParseTag(s string) (Tag, error) {
	switch {
	case s == "":
		return Tag{}, errors.New("the pattern is empty")
	case strings.Contains(s, "**"):
		return Tag{}, fmt.Errorf("pattern %q has two stars in a row; one stands for any run of characters", oci.Clip(s))
	// A star stands for something that a tag may have anywhere.
	case !oci.ValidTag(strings.ReplaceAll(s, "*", "_")):
		return Tag{}, fmt.Errorf("pattern %q fits no tag", oci.Clip(s))
	}
	return Tag{cut(s)}, nil
}

// String returns the pattern as it was written.
func (t Tag) String() string { return t.text.whole }

// Match says whether the pattern fits a tag. The zero Tag fits none.
func (t *Tag) Match(tag string) bool { return t.text.match(tag, 0) }
