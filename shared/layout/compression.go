package layout

import "strings"

// magic is how compressed files begin, by the program that makes them.
var magic = []struct{ begin, by string }{
	{"\x1f\x8b\x08", "gzip"},
	{"\x28\xb5\x2f\xfd", "zstd"},
	{"\xfd7zXZ\x00", "xz"},
	{"BZh", "bzip2"},
	{"\x04\x22\x4d\x18", "lz4"},
}

// compression says by which program the file with this beginning was
// compressed, "" if by none.
func compression(head []byte) string {
	for _, m := range magic {
		if strings.HasPrefix(string(head), m.begin) {
			return m.by
		}
	}
	return ""
}
