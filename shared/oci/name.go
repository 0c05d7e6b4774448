package oci

// MaxName is the longest repository name taken, in bytes. Many clients limit
// host, port and name together to 255 characters (spec, "Pulling manifests").
const MaxName = 255

// MaxTag is the longest tag, in bytes (spec, "Pulling manifests").
const MaxTag = 128

// ValidName says whether s is a repository name:
//
//	[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*
//
// of at most MaxName bytes. It is written out because every request passes
// here, and Go's regular expressions take longer than the rest of a GET; a fuzz
// test holds it to the expression.
func ValidName(s string) bool {
	if len(s) > MaxName {
		return false
	}
	for i := 0; ; i++ {
		start := i
		for i < len(s) && isLowerAlnum(s[i]) {
			i++
		}
		if i == start {
			return false
		}
		if i == len(s) {
			return true
		}
		if i = skipSeparator(s, i); i < 0 {
			return false
		}
	}
}

// skipSeparator returns the index of the last byte of the separator that
// begins at s[i], or -1 if none does.
func skipSeparator(s string, i int) int {
	switch s[i] {
	case '/', '.':
		return i
	case '_':
		if i+1 < len(s) && s[i+1] == '_' {
			return i + 1
		}
		return i
	case '-':
		for i+1 < len(s) && s[i+1] == '-' {
			i++
		}
		return i
	}
	return -1
}

func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// ValidTag says whether s is a tag: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func ValidTag(s string) bool {
	if s == "" || len(s) > MaxTag || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isLowerAlnum(c) && (c < 'A' || c > 'Z') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
