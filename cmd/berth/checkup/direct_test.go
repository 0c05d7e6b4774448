package checkup_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/shared/direct"
)

// Direct transfer may fail at each of those who take part in it.
func TestDirectTransferThatFails(t *testing.T) {
	forbidding := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>%s</StringToSign></Error>", r.URL.RawQuery)
	}))
	t.Cleanup(forbidding.Close)
	for name, c := range map[string]struct {
		wrap func(http.Handler) http.Handler
		want line
	}{
		"an older release": {refuses("GET", "/_oci/ext/discover", `404 {"errors":[{"code":"UNSUPPORTED","message":"no such endpoint"}]}`),
			line{checkup.Differs, "it is not offered", "deploy the newest release"}},
		"another release": {refuses("GET", "/_oci/ext/discover", `200 {"extensions":[{"name":"_berth","endpoints":["_berth/v2/uploads"]}]}`),
			line{checkup.Differs, "it is not offered", ""}},
		"no discovery": {refuses("GET", "/_oci/ext/discover", "500 oh"), line{checkup.Broken, "discover extensions: 500 oh", "the pull function"}},
		"no beginning": {refuses("POST", "/_berth/v1/uploads", `500 {"errors":[]}`), line{checkup.Broken, "begin: 500", "the push and pull functions"}},
		"no signing":   {refuses("POST", "/parts", `404 {}`), line{checkup.Broken, "sign parts: 404", "the push and pull functions"}},
		"no end":       {refuses("PUT", "/_berth/v1/uploads/", `400 {}`), line{checkup.Broken, "complete: 400", "the push and pull functions"}},
		"a bucket that is out of reach": {elsewhere("http://127.0.0.1:1"),
			line{checkup.Broken, "http://127.0.0.1:1/doctor: dial tcp 127.0.0.1:1: connect: connection refused", "it must be reachable"}},
		"a bucket that refuses": {elsewhere(forbidding.URL),
			line{checkup.Broken, strings.TrimPrefix(forbidding.URL, "http://") + " answers 403 <Code>SignatureDoesNotMatch</Code>", "it must be reachable"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asDeployed()
			s.wrap = c.wrap
			d := deploy(t, s)
			r := examine(t, d.url)
			holds(t, r, map[string]line{"direct": c.want})
			if told, _ := json.Marshal(r); strings.Contains(string(told), "signature") {
				t.Errorf("the report has a signed URL: %s", told)
			}
			d.isEmpty(t)
		})
	}
}

// refuses answers requests of a method to paths with such an end itself.
func refuses(method, path, answer string) func(http.Handler) http.Handler {
	status, body, _ := strings.Cut(answer, " ")
	code, err := strconv.Atoi(status)
	if err != nil {
		panic(err)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method && strings.Contains(r.URL.Path, path) {
				w.WriteHeader(code)
				fmt.Fprint(w, body)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// elsewhere has bytes sent to another store.
func elsewhere(base string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "POST" || !strings.HasSuffix(r.URL.Path, "/"+direct.Uploads) {
				next.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			var begun direct.Begun
			if err := json.Unmarshal(rec.Body.Bytes(), &begun); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			begun.Blobs[0].Upload.Put.URL = base + "/doctor?signature=secret"
			raw, _ := json.Marshal(begun)
			_, _ = bytes.NewReader(raw).WriteTo(w)
		})
	}
}
