package pattern

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berthregistry/berth/shared/oci"
)

// MaxPrincipal is the longest pattern of a principal, in bytes. ARNs of roles
// with a path are the longest.
const MaxPrincipal = 1024

// A Principal is the name of a user or robot, or the ARN of a principal of AWS,
// in which "*" stands for any run of characters but a colon, also an empty one.
// So a star does not leave its part of an ARN, as with IAM's ArnLike.
//
//	ci-*                                        ci-main, and ci-
//	arn:aws:iam::123456789012:role/deploy-*     deploy-app, and deploy-x/y
type Principal struct{ text text }

// ParsePrincipal reads a pattern.
func ParsePrincipal(s string) (Principal, error) {
	switch {
	case s == "":
		return Principal{}, errors.New("the name is empty")
	case len(s) > MaxPrincipal:
		return Principal{}, fmt.Errorf("the name has %d characters, at most %d are taken", len(s), MaxPrincipal)
	case strings.Contains(s, "**"):
		return Principal{}, fmt.Errorf("%q has two stars in a row; one stands for any run of characters but a colon", oci.Clip(s))
	case !utf8.ValidString(s):
		return Principal{}, errors.New("the name is not UTF-8")
	}
	for _, c := range s {
		if !unicode.IsGraphic(c) || unicode.IsSpace(c) {
			return Principal{}, fmt.Errorf("%q has %q in it, and no name has", oci.Clip(s), c)
		}
	}
	return Principal{cut(s)}, nil
}

// String returns the pattern as it was written.
func (p Principal) String() string { return p.text.whole }

// Plain says whether there is no star in it, so that it fits one name only.
func (p Principal) Plain() bool { return p.text.rest == "" }

// Match says whether the pattern fits a name. The zero Principal fits none.
func (p *Principal) Match(name string) bool { return p.text.match(name, ':') }
