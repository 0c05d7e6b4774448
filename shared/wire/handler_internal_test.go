package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	blobstore "github.com/berthregistry/berth/shared/blobs/local"
	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/settings"
	tablestore "github.com/berthregistry/berth/shared/table/local"
)

// allMethods are those of a function that does everything.
var allMethods = []string{"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"}

// onThisMachine is a handler like those of the functions, but for its stores.
func onThisMachine(t testing.TB, log io.Writer, methods ...string) http.Handler {
	t.Helper()
	items, err := tablestore.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { items.Close() })
	objects, err := blobstore.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Access: Open, Settings: new(settings.Settings), CountsHead: true, InlineLimit: lambdaLimit, RequestLimit: DefaultRequestLimit}
	return serve(c, items, objects, NewLog(log, slog.LevelInfo), methods)
}

// invocation is the context of one.
func invocation(ctx context.Context, id string) context.Context {
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
}

func lines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(log.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

func TestLines(t *testing.T) {
	var log bytes.Buffer
	h := onThisMachine(t, &log, allMethods...)
	for _, id := range []string{"first", "second"} {
		r := httptest.NewRequestWithContext(invocation(t.Context(), id), "GET", "/v2/team/app/manifests/1?token=hunter2", nil)
		r.Header.Set("Authorization", "Basic hunter2")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	all := lines(t, &log)
	if len(all) != 2 {
		t.Fatalf("got %d lines, want one for each request:\n%s", len(all), log.String())
	}
	for i, want := range []string{"first", "second"} {
		if got := all[i]; got["lambda_request_id"] != want || got["msg"] != "request" || got["error"] != "MANIFEST_UNKNOWN" || got["repository"] != "team/app" {
			t.Errorf("line %d: got %v", i, got)
		}
	}
	if init, _ := all[0]["init"].(float64); all[0]["cold"] != true || init < 0 || init > float64(time.Hour) {
		t.Errorf("the first line says of the cold start: %v, %v", all[0]["cold"], all[0]["init"])
	}
	if _, ok := all[1]["cold"]; ok {
		t.Errorf("the second line says that it was cold: %v", all[1])
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log tells a secret:\n%s", log.String())
	}
}

// Other lines of an invocation are found by its id too.
func TestLinesWithAttributesAndGroups(t *testing.T) {
	var out bytes.Buffer
	log := NewLog(&out, slog.LevelWarn).With("part", "x")
	log.InfoContext(t.Context(), "not said")
	log.WarnContext(invocation(t.Context(), "one"), "said")
	log.WithGroup("g").WarnContext(t.Context(), "outside of any invocation", "k", "v")
	all := lines(t, &out)
	if len(all) != 2 || all[0]["part"] != "x" || all[0]["lambda_request_id"] != "one" {
		t.Fatalf("got %v", all)
	}
	if _, ok := all[1]["lambda_request_id"]; ok || all[1]["part"] != "x" {
		t.Errorf("got %v", all[1])
	}
}

func TestAge(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this system has no /proc")
	}
	before := age()
	time.Sleep(50 * time.Millisecond)
	after := age()
	if passed := after - before; passed < 30*time.Millisecond || passed > 10*time.Second {
		t.Errorf("got %v and 50 ms later %v", before, after)
	}
	if after > time.Hour {
		t.Errorf("this test has run for %v?", after)
	}
}

func TestOnlyItsMethods(t *testing.T) {
	h := onThisMachine(t, io.Discard, "GET", "HEAD")
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "OPTIONS": 405, "get": 405} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/v2/", nil))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", method, w.Code, want)
		}
		if want != 405 {
			continue
		}
		var body struct{ Errors []struct{ Code string } }
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Errors) != 1 || body.Errors[0].Code != "UNSUPPORTED" {
			t.Errorf("%s: body %s", method, w.Body)
		}
		if got := w.Header().Get("Allow"); got != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, got)
		}
	}
}

func TestProbeIsThere(t *testing.T) {
	w := httptest.NewRecorder()
	onThisMachine(t, io.Discard, "GET").ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v2/_berth/challenge", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("got %d", w.Code)
	}
}

// The largest blob that may be sent inline fits an answer, its headers beside it.
func TestLargestInlineBlob(t *testing.T) {
	f := gateway.New(onThisMachine(t, io.Discard, allMethods...))
	blob := bytes.Repeat([]byte{0xff}, lambdaLimit)
	push := event("POST", "/v2/team/app/blobs/uploads/", "digest="+digest(blob), "application/octet-stream", blob)
	if got, err := f(t.Context(), push); err != nil || got.StatusCode != http.StatusCreated {
		t.Fatalf("push: got %d %s, %v", got.StatusCode, got.Body, err)
	}
	got, err := f(t.Context(), event("GET", "/v2/team/app/blobs/"+digest(blob), "", "", nil))
	if err != nil || got.StatusCode != http.StatusOK || len(got.Body) != lambdaLimit/3*4 {
		t.Errorf("got %d with %d bytes of base64, %v: %.200s", got.StatusCode, len(got.Body), err, got.Body)
	}
}

// A request that takes too long is answered before Lambda ends it.
func TestAnAnswerInTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), margin+50*time.Millisecond)
	defer cancel()
	start := time.Now()
	InTime(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		if err := r.Context().Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	if ctx.Err() != nil || time.Since(start) > margin {
		t.Errorf("the handler ended after %v, with the invocation's time over: %v", time.Since(start), ctx.Err())
	}
}

// BenchmarkManifest is a GET of a small manifest by its tag, from the event to
// the response, the line in the log included, on the stores of this machine.
// scripts/bench counts its allocations.
func BenchmarkManifest(b *testing.B) {
	f := gateway.New(onThisMachine(b, io.Discard, allMethods...))
	config, manifest := image()
	send := func(method, path, query, contentType string, body []byte, want int) {
		b.Helper()
		got, err := f(invocation(b.Context(), "bench"), event(method, path, query, contentType, body))
		if err != nil || got.StatusCode != want {
			b.Fatalf("%s %s: got %d %s, %v; want %d", method, path, got.StatusCode, got.Body, err, want)
		}
	}
	send("POST", "/v2/bench/app/blobs/uploads/", "digest="+digest(config), "application/octet-stream", config, 201)
	send("PUT", "/v2/bench/app/manifests/1", "", manifestType, manifest, 201)
	b.ReportAllocs()
	for b.Loop() {
		send("GET", "/v2/bench/app/manifests/1", "", "", nil, 200)
	}
}
