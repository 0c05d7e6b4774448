package transfer

import (
	"fmt"
	"strconv"
	"strings"
)

// parseContentRange reads "bytes <first>-<last>/<size>" (RFC 9110, section 14.4).
// The size is -1 where it is said to be unknown.
func parseContentRange(v string) (first, last, size int64, err error) {
	bounds, whole, ok1 := strings.Cut(strings.TrimPrefix(v, "bytes "), "/")
	from, to, ok2 := strings.Cut(bounds, "-")
	first, err1 := parsePosition(from)
	last, err2 := parsePosition(to)
	size, err3 := int64(-1), error(nil)
	if whole != "*" {
		size, err3 = parsePosition(whole)
	}
	if !strings.HasPrefix(v, "bytes ") || !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil || last < first || size >= 0 && last >= size {
		return 0, 0, 0, fmt.Errorf("%w: Content-Range %.60q", errAnswer, v)
	}
	return first, last, size, nil
}

// parseReceived reads the Range of an upload, "0-<last>", and returns how many
// bytes are there. "0-0" is none: whoever sends one byte is told when the rest
// is refused.
func parseReceived(v string) (int64, error) {
	from, to, ok := strings.Cut(strings.TrimPrefix(v, "bytes="), "-")
	last, err := parsePosition(to)
	if !ok || from != "0" || err != nil {
		return 0, fmt.Errorf("%w: Range %.60q", errAnswer, v)
	}
	if last == 0 {
		return 0, nil
	}
	return last + 1, nil
}

// parsePosition reads digits only, and leaves room to add one.
func parsePosition(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 62)
	return int64(n), err
}
