package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A Pattern is a repository name in which "*" stands for any run of characters
// but a slash, also an empty one, and "**" for any run at all.
//
//	team/app    that repository
//	team/*      team/app, but not team and not team/app/cache
//	team/**     all below team/
//	**/cache    all whose last part is cache, but not the repository cache
//	team/app-*  team/app-web, but not team/app-web/cache
//	**          all
type Pattern struct {
	text string
	// literal is what comes before the first star. Most names already differ
	// there.
	literal string
	rest    string
}

// ParsePattern reads a pattern.
func ParsePattern(text string) (Pattern, error) {
	switch {
	case text == "":
		return Pattern{}, errors.New("the pattern is empty")
	case len(text) > oci.MaxName:
		return Pattern{}, fmt.Errorf("the pattern has %d characters, a repository name has at most %d", len(text), oci.MaxName)
	case strings.Contains(text, "***"):
		return Pattern{}, fmt.Errorf("pattern %q has three stars in a row", text)
	case strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/") || strings.Contains(text, "//"):
		return Pattern{}, fmt.Errorf("pattern %q fits no repository: a name has no empty part", text)
	}
	for _, c := range text {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-/*", c) {
			return Pattern{}, fmt.Errorf("pattern %q fits no repository: %q cannot be in a name", text, c)
		}
	}
	p := Pattern{text: text, literal: text}
	if star := strings.IndexByte(text, '*'); star >= 0 {
		p.literal, p.rest = text[:star], text[star:]
	}
	return p, nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match says whether the pattern fits a name. The zero Pattern fits none.
func (p Pattern) Match(name string) bool {
	after, ok := strings.CutPrefix(name, p.literal)
	if !ok || p.text == "" {
		return false
	}
	return p.rest == "**" || glob(p.rest, after)
}

// A star remembers where a "*" or "**" was met, so that it can be tried again
// with one more character.
type star struct {
	pattern int // behind the star, 0 for none met yet
	name    int // the end of what it stands for so far
}

// glob says whether all of name fits all of pattern.
//
// On a mismatch the last star takes one more character. Earlier ones need not
// be tried again, since what they could take the last one can take as well;
// but where a "*" meets a slash it is over for it, and the last "**" goes on.
func glob(pattern, name string) bool {
	var one, any star
	p, n := 0, 0
	for n < len(name) || p < len(pattern) {
		switch {
		case strings.HasPrefix(pattern[p:], "**"):
			p += 2
			any, one = star{p, n}, star{}
		case strings.HasPrefix(pattern[p:], "*"):
			p++
			one = star{p, n}
		case p < len(pattern) && n < len(name) && pattern[p] == name[n]:
			p, n = p+1, n+1
		case one.pattern > 0 && one.name < len(name) && name[one.name] != '/':
			one.name++
			p, n = one.pattern, one.name
		case any.pattern > 0 && any.name < len(name):
			any.name++
			one = star{}
			p, n = any.pattern, any.name
		default:
			return false
		}
	}
	return true
}
