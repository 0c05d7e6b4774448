package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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
	for _, size := range []int64{100, 200} {
		body := io.MultiReader(bytes.NewReader(content), iotest.ErrReader(broken))
		if _, err := io.ReadAll(&exact{r: body, left: size}); !errors.Is(err, broken) {
			t.Errorf("%d bytes: got %v, want the reader's own error", size, err)
		}
	}
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		text   string
		body   string
		length int64
		start  int64
		read   string
		err    error // of the headers or of the body
	}{
		{"", "abc", 3, -1, "abc", nil},
		{"", "abc", -1, -1, "abc", nil},
		{"0-2", "abc", 3, 0, "abc", nil},
		{"7-9", "abc", -1, 7, "abc", nil},
		{"7-9", "abcd", -1, 7, "abc", oci.ErrSizeInvalid},
		{"7-9", "ab", -1, 7, "ab", oci.ErrSizeInvalid},
		{"7-9", "abcd", 4, 0, "", oci.ErrSizeInvalid},
		{"9-7", "abc", 3, 0, "", oci.ErrUploadInvalid},
		{"bytes 0-2/3", "abc", 3, 0, "", oci.ErrUploadInvalid},
		{"-2", "abc", 3, 0, "", oci.ErrUploadInvalid},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "PATCH", "/", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = c.length
		if c.text != "" {
			r.Header.Set("Content-Range", c.text)
		}
		got, err := Read(r)
		var read strings.Builder
		if err == nil {
			_, err = io.Copy(&read, got.Body)
		}
		if !errors.Is(err, c.err) || err == nil && got.Start != c.start || read.String() != c.read {
			t.Errorf("%q of %q: got %d, %q, %v, want %d, %q, %v", c.text, c.body, got.Start, &read, err, c.start, c.read, c.err)
		}
	}
}
