package distribution

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

// errBusy is what a store says that has too much to do.
var errBusy = errors.New("throttled")

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
		"blocked":   {fmt.Errorf("%w: %w", oci.ErrTooManyRequests, wait(40)), 429, `{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}`, "40"},
		"busy":      {fmt.Errorf("get item: %w", errBusy), 429, `{"errors":[{"code":"TOOMANYREQUESTS","message":"the registry is busy, try again"}]}`, "1"},
		"internal":  {errors.New("secret"), 500, `{"errors":[{"code":"UNKNOWN","message":"internal error","detail":{"requestId":"id"}}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h := New(nil, Options{Busy: func(err error) bool { return errors.Is(err, errBusy) }}).(*handler)
			v := &visit{handler: h, told: Exchange{RequestID: "id"}}
			v.fail(&recorder{ResponseWriter: w}, httptest.NewRequestWithContext(t.Context(), "GET", "/v2/", nil), c.err)
			if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Retry-After") != c.retryAfter {
				t.Errorf("got %d %s %v\nwant %d %s", w.Code, w.Body, w.Header(), c.status, c.body)
			}
		})
	}
}

// wait is an error that says in how many seconds to come again.
type wait int

func (w wait) Error() string { return "blocked" }
func (w wait) Seconds() int  { return int(w) }
