// Package pattern matches names against texts with stars in them, for all that
// speaks of more than one repository, tag or principal at a time.
package pattern

import "strings"

// A text is a pattern cut where its first star is.
type text struct {
	whole string
	// literal is what comes before the first star. Most names already differ
	// there.
	literal string
	rest    string
}

func cut(whole string) text {
	t := text{whole: whole, literal: whole}
	if star := strings.IndexByte(whole, '*'); star >= 0 {
		t.literal, t.rest = whole[:star], whole[star:]
	}
	return t
}

// match says whether the text fits a name. A "*" stands for any run of bytes
// but stop, a "**" for any run at all. The zero text fits none.
func (t *text) match(name string, stop byte) bool {
	after, ok := strings.CutPrefix(name, t.literal)
	if !ok || t.whole == "" {
		return false
	}
	return t.rest == "**" || glob(t.rest, after, stop)
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
// but where a "*" meets a stop it is over for it, and the last "**" goes on.
func glob(pattern, name string, stop byte) bool {
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
		case one.pattern > 0 && one.name < len(name) && name[one.name] != stop:
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
