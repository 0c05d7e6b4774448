package distribution_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/registry"
)

// Whatever a body says, it is answered in the words of the spec, of which none is
// that something broke here.
func FuzzDirect(f *testing.F) {
	items, _ := newStores(f)
	h := distribution.New(registry.New(items, blobstest.NewMemory(blobstest.MemoryOptions{}), registry.Options{}), distribution.Options{})
	send := func(method, path string, body []byte) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, bytes.NewReader(body)))
		return w
	}
	var begun direct.Begun
	if err := json.Unmarshal(send("POST", uploads, []byte(`{"blobs":[{}]}`)).Body.Bytes(), &begun); err != nil {
		f.Fatal(err)
	}
	stream := uploads + "/" + begun.Blobs[0].Upload.ID
	for _, body := range []string{
		`{"blobs":[{"digest":"` + digest256 + `","size":5000000,"from":"a/b"},{"digest":"` + digest512 + `","size":5497558138880}],"manifests":["` + digest256 + `"]}`,
		`{"parts":[{"number":10000,"size":5368709120,"sha256":"` + digest256[7:] + `"}]}`,
		`{"digest":"` + digest256 + `","size":5497558138880}`,
		`{"digest":"` + digest512 + `","size":0}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range []struct{ method, path string }{{"POST", uploads}, {"POST", stream + "/parts"}, {"PUT", stream}} {
			w := send(c.method, c.path, body)
			if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %s %q: got %d %s", c.method, c.path, body, w.Code, w.Body)
			}
		}
	})
}
