package distribution_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

var errThrottled = errors.New("slow down")

// unreadable is a store that opens everything and reads nothing, as one does
// that asks for an object only when its bytes are wanted.
type unreadable struct {
	blobs.Store
	err error
}

func (u unreadable) Open(ctx context.Context, key string, size int64) (io.ReadSeekCloser, error) {
	f, err := u.Store.Open(ctx, key, size)
	return unread{f, u.err}, err
}

type unread struct {
	io.ReadSeekCloser
	err error
}

func (u unread) Read([]byte) (int, error) { return 0, u.err }

// A blob of which not one byte can be read is an error like any other: the log
// says why, and the client is not told of a blob that does not come.
func TestUnreadableBlob(t *testing.T) {
	for cause, want := range map[error]string{
		errThrottled:              "429 TOOMANYREQUESTS",
		errors.New("no such key"): "500 UNKNOWN",
	} {
		items, objects := newStores(t)
		var seen distribution.Exchange
		h := distribution.New(registry.New(items, unreadable{objects, cause}, registry.Options{}), distribution.Options{
			Observe: func(_ *http.Request, x distribution.Exchange) { seen = x },
			Busy:    func(err error) bool { return errors.Is(err, errThrottled) },
			Door:    distribution.Door{Headless: true},
		})
		web := httptest.NewServer(h)
		t.Cleanup(web.Close)
		d := doorway{&server{TB: t, url: web.URL, client: web.Client()}, h}
		target := "/v2/a/blobs/" + string(d.blob("a", noise(inStore)).Digest)
		for _, a := range []answer{d.ask("GET", target), d.ask("GET", target, "Range", "bytes=5-"), d.ask("HEAD", target)} {
			if got := strconv.Itoa(a.status) + " " + a.codes(t); got != want || strings.Contains(string(a.body), cause.Error()) {
				t.Errorf("%v: got %s %s, want %s", cause, got, a.body, want)
			}
			for _, name := range []string{"Accept-Ranges", "Content-Range", "Docker-Content-Digest", "Etag"} {
				if got := a.get(name); got != "" {
					t.Errorf("%v: the error has the blob's %s %q", cause, name, got)
				}
			}
			if !errors.Is(seen.Err, cause) {
				t.Errorf("%v: observed %v", cause, seen.Err)
			}
			if errors.Is(seen.Err, oci.ErrTooManyRequests) != (a.status == http.StatusTooManyRequests) {
				t.Errorf("%v: observed %v, answered %d", cause, seen.Err, a.status)
			}
		}
	}
}
