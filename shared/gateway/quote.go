package gateway

import "unicode/utf8"

// quoted is the length of a text between the quotes of encoding/json, as
// aws-lambda-go calls it: without escapes for HTML. It says whether the text is
// UTF-8; what is not would come out different.
func quoted(s string) (n int, ok bool) {
	n = len(s)
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			n += int(growth[c])
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return 0, false
		}
		if r == '\u2028' || r == '\u2029' { // which break lines in JavaScript
			n += len(`\u2028`) - size
		}
		i += size
	}
	return n, true
}

// growth is by how many bytes an escape is longer than its character.
var growth = func() (g [utf8.RuneSelf]uint8) {
	for c := range ' ' {
		g[c] = uint8(len(`\u0000`) - 1)
	}
	for _, c := range "\"\\\b\f\n\r\t" {
		g[c] = 1
	}
	return g
}()
