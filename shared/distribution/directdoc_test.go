package distribution_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// fenced returns the blocks of a language that the protocol's document shows.
func fenced(t *testing.T, language string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "direct-transfer.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, block[1])
	}
	return found
}

// A message is a request or an answer as it is shown.
type message struct {
	first  string // its first line
	header map[string]string
	body   string
}

func readMessage(block string) message {
	head, body, _ := strings.Cut(block, "\n\n")
	first, rest, _ := strings.Cut(strings.TrimSuffix(head, "\n"), "\n")
	m := message{first: first, header: map[string]string{}, body: strings.TrimSpace(body)}
	for line := range strings.Lines(rest) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		m.header[name] = value
	}
	return m
}

// A replay sends what is shown. What differs from run to run, ids and URLs, is
// told apart by what the document calls it.
type replay struct {
	*harbour
	ids     map[string]string        // ours by the document's
	targets map[string]direct.Target // where to send to by the URL shown
}

// What the document shows is what happens, request by request.
func TestDirectDocument(t *testing.T) {
	verify := make(chan string, 10)
	r := replay{newHarbour(t, registry.Options{
		VerifyInline: 8 << 20,
		Verify:       func(_ context.Context, _, id string) error { verify <- id; return nil },
	}, distribution.Options{}), map[string]string{}, map[string]direct.Target{}}
	r.blob("team/base", make([]byte, 5<<20))
	blocks := fenced(t, "http")
	if len(blocks) < 20 || len(blocks)%2 != 0 {
		t.Fatalf("%d blocks are shown, want requests and their answers", len(blocks))
	}
	for i := 0; i < len(blocks); i += 2 {
		request, want := readMessage(blocks[i]), readMessage(blocks[i+1])
		r.exchange(request, want)
		for len(verify) > 0 {
			if err := r.reg.VerifyDirect(t.Context(), "team/app", <-verify); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (r replay) exchange(request, want message) {
	r.Helper()
	method, target, _ := strings.Cut(request.first, " ")
	if strings.HasPrefix(target, "https://") {
		r.toStore(target, request, want)
		return
	}
	for theirs, ours := range r.ids {
		target = strings.ReplaceAll(target, theirs, ours)
	}
	a := r.do(method, target, strings.NewReader(request.body))
	if status, _, _ := strings.Cut(want.first, " "); status != strconv.Itoa(a.status) {
		r.Fatalf("%s: got %d %s, want %s", request.first, a.status, a.body, want.first)
	}
	for name, value := range want.header {
		for theirs, ours := range r.ids {
			value = strings.ReplaceAll(value, theirs, ours)
		}
		if got := a.get(name); got != value {
			r.Errorf("%s: %s is %q, want %q", request.first, name, got, value)
		}
	}
	if want.body == "" && len(a.body) == 0 {
		return
	}
	var got, shown any
	if err := json.Unmarshal(a.body, &got); err != nil {
		r.Fatalf("%s: %v", request.first, err)
	}
	if err := json.Unmarshal([]byte(want.body), &shown); err != nil {
		r.Fatalf("%s: the answer shown: %v", request.first, err)
	}
	if r.align(got, shown); !reflect.DeepEqual(got, shown) {
		r.Errorf("%s:\n got %s\nwant %s", request.first, encode(got), encode(shown))
	}
}

// align makes ids and targets of an answer those that are shown, and notes which
// they are.
func (r replay) align(got, shown any) {
	switch shown := shown.(type) {
	case []any:
		got, _ := got.([]any)
		for i := range min(len(got), len(shown)) {
			r.align(got[i], shown[i])
		}
	case map[string]any:
		got, _ := got.(map[string]any)
		if url, ok := shown["url"].(string); ok && got["header"] != nil {
			var to direct.Target
			if err := json.Unmarshal(encode(got), &to); err != nil {
				r.Fatal(err)
			}
			r.targets[url] = to
			got["url"], got["expires"] = shown["url"], shown["expires"]
			// S3's URLs bind a type as well, which this store does not.
			if header := got["header"].(map[string]any); shown["header"].(map[string]any)["Content-Type"] != nil {
				header["Content-Type"] = "application/octet-stream"
			}
		}
		if theirs, ok := shown["id"].(string); ok {
			if ours, ok := got["id"].(string); ok {
				r.ids[theirs], got["id"] = ours, theirs
			}
		}
		for name := range shown {
			r.align(got[name], shown[name])
		}
	}
}

// toStore sends so many zeros.
func (r replay) toStore(url string, request, want message) {
	r.Helper()
	to, ok := r.targets[url]
	var size int
	if _, err := fmt.Sscanf(request.body, "(%d bytes)", &size); err != nil || !ok || want.first != "200 OK" {
		r.Fatalf("%s of %s: want one of the URLs shown before, and 200", request.first, request.body)
	}
	signed := maps.Clone(to.Header)
	for name, value := range request.header {
		if signed[name] != value && name != "Content-Type" {
			r.Errorf("%s: shows %s: %s, the URL was signed for %q", request.first, name, value, signed[name])
		}
		delete(signed, name)
	}
	if len(signed) > 0 {
		r.Errorf("%s: does not show %v", request.first, signed)
	}
	r.putPart(to, make([]byte, size))
}

// The shell script pushes blobs of each kind, and goes on with what was begun.
func TestDirectDocumentScript(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "jq", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the script of the document needs %s", tool)
		}
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "push-blob")
	if blocks := fenced(t, "sh"); len(blocks) != 1 {
		t.Fatalf("%d scripts are shown", len(blocks))
	} else if err := os.WriteFile(script, []byte(blocks[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	// The store is on the same host: what is for the registry must not get there.
	if err := os.WriteFile(filepath.Join(dir, ".netrc"), []byte("machine 127.0.0.1 login root password secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHarbour(t, registry.Options{}, distribution.Options{})
	push := func(content []byte) (sent int64) {
		t.Helper()
		file := filepath.Join(dir, "blob")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		before := h.received.Load()
		c := exec.CommandContext(t.Context(), "bash", script, h.url+"/v2/team/app", file)
		c.Env = append(os.Environ(), "HOME="+dir)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("push of %d bytes: %v: %s", len(content), err, out)
		}
		if a := h.get("/v2/team/app/blobs/" + string(oci.SHA256.Sum(content))); !bytes.Equal(a.body, content) {
			t.Errorf("pulled: %d and %d bytes, want %d", a.status, len(a.body), len(content))
		}
		return h.received.Load() - before
	}
	const mib = 1 << 20
	small, one, many := noise(1000), noise(5*mib), noise(33*mib)
	upload := h.beginOne(direct.Wanted{Digest: oci.SHA256.Sum(many), Size: 33 * mib}).Upload
	h.sendParts(upload.ID, many[:16*mib], 16*mib)
	for _, c := range []struct {
		what    string
		content []byte
		sent    int64
	}{
		{"a small blob", small, 0}, {"one PUT", one, 5 * mib}, {"one that is there", one, 0},
		{"parts", noise(17 * mib), 17 * mib}, {"parts, of which the first is there", many, 17 * mib},
	} {
		if got := push(c.content); got != c.sent {
			t.Errorf("%s: %d bytes went to the store, want %d", c.what, got, c.sent)
		}
	}
}

// watch counts what the store is sent, by whom it may be sent.
func (h *harbour) watch(r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		h.Error("credentials of the registry were shown to the store")
	}
	if r.Method == http.MethodPut {
		h.received.Add(r.ContentLength)
	}
}
