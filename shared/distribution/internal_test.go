package distribution

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/berthregistry/berth/shared/oci"
)

// A kind of error without a status would end its request with a panic. The
// kinds are read from their source, so that a new one is not forgotten.
func TestEveryKindHasAStatus(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../oci/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Err") {
			kinds++
		}
		return true
	})
	if kinds == 0 || kinds != len(statuses) {
		t.Errorf("%d kinds of errors, %d statuses", kinds, len(statuses))
	}
	for kind, status := range statuses {
		if http.StatusText(status) == "" || status < 400 || status > 499 {
			t.Errorf("%v has status %d", kind, status)
		}
	}
}

func TestFail(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		status     int
		body       string
		retryAfter string
	}{
		"a kind":  {oci.ErrDenied, 403, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`, ""},
		"wrapped": {fmt.Errorf("put: %w", oci.ErrTooLarge.With(nil, "no")), 413, `{"errors":[{"code":"SIZE_INVALID","message":"no"}]}`, ""},
		"joined":  {errors.Join(oci.ErrInUse.With(nil, "no"), errors.New("disk")), 405, `{"errors":[{"code":"DENIED","message":"no"}]}`, ""},
		"many": {fmt.Errorf("put: %w", oci.Errors{oci.ErrManifestBlobUnknown.With(1, "a"), oci.ErrManifestBlobUnknown.With(2, "b")}), 400,
			`{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"a","detail":1},{"code":"MANIFEST_BLOB_UNKNOWN","message":"b","detail":2}]}`, ""},
		"throttled": {oci.ErrTooManyRequests.With(nil, "slow"), 429, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow"}]}`, "1"},
		"internal":  {errors.New("secret"), 500, `{"errors":[{"code":"UNKNOWN","message":"internal error","detail":{"requestId":"id"}}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h := New(nil, Options{}).(*handler)
			h.fail(&recorder{ResponseWriter: w}, httptest.NewRequestWithContext(t.Context(), "GET", "/v2/", nil), "id", c.err)
			if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Retry-After") != c.retryAfter {
				t.Errorf("got %d %s %v\nwant %d %s", w.Code, w.Body, w.Header(), c.status, c.body)
			}
		})
	}
}

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

// What strangers put into conditions has no effect but its own.
func FuzzConditions(f *testing.F) {
	tag := `"sha256:` + strings.Repeat("0", 64) + `"`
	for _, s := range []string{tag, "W/" + tag, "*", "", ",", tag + "," + tag, `"`, `"*"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"If-None-Match": {s}, "If-Match": {s}}
		if noneMatch(h, tag) && !strings.Contains(s, tag) && !strings.Contains(s, "*") {
			t.Errorf("%q matches %s", s, tag)
		}
		p, err := precondition(h)
		if err == nil && (!p.NoneMatch || !p.MatchAny) {
			t.Errorf("%q is taken for %+v", s, p)
		}
		delete(h, "If-None-Match")
		if p, err = precondition(h); err == nil && !p.MatchAny && len(p.Match) == 0 {
			t.Errorf("If-Match: %q demands nothing", s)
		}
	})
}
