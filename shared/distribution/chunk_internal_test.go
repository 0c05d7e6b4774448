package distribution

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/berthregistry/berth/shared/oci"
)

func FuzzParseContentRange(f *testing.F) {
	for _, s := range []string{"0-0", "0-499", "500-999", "bytes 0-1/2", "1-0", "-", "0-4611686018427387903", "+1-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		start, end, err := parseContentRange(s)
		if err != nil {
			if !errors.Is(err, oci.ErrUploadInvalid) {
				t.Fatalf("parseContentRange(%q) = %v", s, err)
			}
			return
		}
		if start < 0 || end < start || end-start+1 <= 0 {
			t.Fatalf("parseContentRange(%q) = %d, %d", s, start, end)
		}
		start2, end2, err := parseContentRange(fmt.Sprintf("%d-%d", start, end))
		if err != nil || start2 != start || end2 != end {
			t.Fatalf("%q is %d-%d, which is %d-%d, %v", s, start, end, start2, end2, err)
		}
	})
}

// Whatever pieces a body comes in, exact gives all of it or says what is wrong.
func TestExact(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 10)
	for name, pieces := range map[string]func(io.Reader) io.Reader{
		"whole":          func(r io.Reader) io.Reader { return r },
		"bytes":          iotest.OneByteReader,
		"halves":         iotest.HalfReader,
		"end with bytes": iotest.DataErrReader,
	} {
		for _, size := range []int64{1, 99, 100, 101, 1 << 40} {
			got, err := io.ReadAll(&exact{r: pieces(bytes.NewReader(content)), left: size})
			if fits := size == 100; fits != (err == nil) || fits && !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes as %d: got %d, %v", name, len(content), size, len(got), err)
			}
			if err != nil && !errors.Is(err, oci.ErrSizeInvalid) {
				t.Errorf("%s: %d bytes as %d: %v", name, len(content), size, err)
			}
			if int64(len(got)) > size {
				t.Errorf("%s: %d bytes as %d: got %d", name, len(content), size, len(got))
			}
		}
	}
	broken := errors.New("cable")
	if _, err := io.ReadAll(&exact{r: io.MultiReader(bytes.NewReader(content), iotest.ErrReader(broken)), left: 200}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}
