package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3/s3test"
)

// berth is the command, built once.
var berth = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "localcloud-berth-")
	if err != nil {
		return "", err
	}
	built.berth = dir
	path := filepath.Join(dir, "berth")
	build := exec.Command("go", "build", "-o", path, "./cmd/berth")
	build.Dir = projectRoot
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build berth: %w\n%s", err, out)
	}
	return path, nil
})

// berthCommand prepares berth, to be run by nobody that the registry knows.
func berthCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := berth()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir())
	return cmd
}

// A told is the last line that berth prints with --json.
type told struct{ Blobs map[string]int }

// move runs berth push or pull to its end.
func move(t *testing.T, args ...string) told {
	t.Helper()
	out, err := berthCommand(t, append(args, "--json", "--verbose")...).CombinedOutput()
	if err != nil {
		t.Fatalf("berth %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	var last told
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("read the summary: %v\n%s", err, out)
	}
	return last
}

// newLayout writes an image with layers of these sizes, tagged v1.
func newLayout(t *testing.T, sizes ...int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		t.Fatal(err)
	}
	var layers [][]byte
	for _, size := range sizes {
		layers = append(layers, noise(size))
	}
	config := fmt.Appendf(nil, `{"architecture":"arm64","os":"linux","n":%q}`, digest(noise(8)))
	m := image(config, layers, nil)
	root := map[string]any{
		"mediaType": imageType, "digest": digest(m), "size": len(m),
		"annotations": map[string]string{"org.opencontainers.image.ref.name": "v1"},
	}
	index, _ := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{root}}) // of texts and numbers
	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": index}
	for _, b := range append(layers, config, m) {
		files[filepath.Join("blobs", "sha256", strings.TrimPrefix(digest(b), "sha256:"))] = b
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wantSame ends the test unless a layout has all blobs of another, and they are
// what their names say.
func wantSame(t *testing.T, want, got string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(want, "blobs", "sha256", "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("the layout %s has no blobs: %v", want, err)
	}
	for _, name := range names {
		f, err := os.Open(filepath.Join(got, "blobs", "sha256", filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if sum := hex.EncodeToString(h.Sum(nil)); err != nil || sum != filepath.Base(name) {
			t.Fatalf("%s came back as %s, %v", filepath.Base(name), sum, err)
		}
	}
}

func (c *cloud) reference(repo string) string {
	return strings.TrimPrefix(c.registryURL, "http://") + "/" + repo + ":v1"
}

// wantSwept ends the test unless nothing but so many objects is in the bucket
// once its lifecycle rules have had their days, and none of these is marked as
// unverified.
func (c *cloud) wantSwept(t *testing.T, objects int) {
	t.Helper()
	rules, err := blobstest.LifecycleRules(filepath.Join(projectRoot, "infra", "state.yaml"), 0)
	if err != nil {
		t.Fatal(err)
	}
	bucket := s3test.NewBucket(c.s3Client(), c.stack.Buckets[0].Name, "")
	if _, err := blobstest.Sweep(t.Context(), bucket, rules, time.Now().AddDate(0, 0, 10)); err != nil {
		t.Fatal(err)
	}
	left, err := bucket.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if e.Upload != "" || len(e.Tags) > 0 {
			t.Errorf("%+v is left", e)
		}
	}
	if len(left) != objects {
		t.Errorf("%d objects are left, want %d: %+v", len(left), objects, left)
	}
}

// Whatever goes wrong on the way to S3 and back, an image gets there and comes
// back, and nothing else stays.
func TestCommandsThroughFaults(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, fault, parameters string }{
		{"connections cut going up", cutUpload, "rate=0.3"},
		{"connections cut coming down", cutDownload, "rate=0.3"},
		{"S3 asks to slow down", unavailableStore, "rate=0.2"},
		{"URLs expire", expireURL, "rate=0.3&count=3"}, // a part that is refused a fourth time is given up
		{"a part stands still", stallUpload, "count=1&delay=5m"},
		{"an answer stands still", stallDownload, "count=1&delay=5m"},
		{"all is slow", slowUpload, "speed=8388608"},
		{"environments die", killEnvironment, "rate=0.1"},
		{"the table asks to slow down", throttleTable, "rate=0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, inlineUpTo(24<<20), soon)
			layout := newLayout(t, 1<<10, 9<<20, 20<<20, 40<<20)
			c.inject(t, tt.fault, tt.parameters)
			if got := move(t, "push", layout, c.reference("team/app")); got.Blobs["direct"] != 3 {
				t.Errorf("got %+v, want 3 blobs to have gone straight to S3", got)
			}
			back := t.TempDir()
			move(t, "pull", c.reference("team/app"), back)
			wantSame(t, layout, back)
			c.faults.delete(tt.fault)
			c.wantSwept(t, 3)
			back = t.TempDir()
			move(t, "pull", c.reference("team/app"), back) // the broom took nothing that is needed
			wantSame(t, layout, back)
		})
	}
}

// A push that is killed leaves parts in S3, and the next one does not send them
// again.
func TestKilledPushIsGoneOnWith(t *testing.T) {
	t.Parallel()
	const size, enough = 96 << 20, 3
	c := newCloud(t)
	layout := newLayout(t, size)
	c.inject(t, slowUpload, fmt.Sprintf("speed=%d", 8<<20))
	push := berthCommand(t, "push", layout, c.reference("team/app"))
	if err := push.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "some parts are there", func() bool { return c.parts(t) >= enough })
	if err := push.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = push.Wait() // it was killed
	c.faults.delete(slowUpload)

	before := c.written(t)
	move(t, "push", layout, c.reference("team/app"))
	// One more is written: what joins them.
	if got, most := c.written(t)-before, int64(size/(16<<20)-enough+1); got > most {
		t.Errorf("%d parts were sent, want %d: %d were there", got-1, most-1, enough)
	}
	back := t.TempDir()
	move(t, "pull", c.reference("team/app"), back)
	wantSame(t, layout, back)
	c.wantSwept(t, 1)
}

// written counts the writes of objects, and of their parts, in the name of Push.
func (c *cloud) written(t *testing.T) (n int64) {
	t.Helper()
	for _, u := range c.actions()["Push"] {
		if u.Action == "s3:PutObject" && strings.Contains(u.Resource, "/object/") {
			n += u.Allowed
		}
	}
	return n
}

// parts counts those of all uploads that are not ended.
func (c *cloud) parts(t *testing.T) (n int) {
	t.Helper()
	client, bucket := c.s3Client(), &c.stack.Buckets[0].Name
	uploads, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		list, err := client.ListParts(t.Context(), &s3.ListPartsInput{Bucket: bucket, Key: u.Key, UploadId: u.UploadId})
		if err != nil {
			t.Fatal(err)
		}
		n += len(list.Parts)
	}
	return n
}

// Those who push the same layers at the same time do not get in each other's
// way.
func TestPushersOfTheSameLayers(t *testing.T) {
	t.Parallel()
	c := newCloud(t, inlineUpTo(24<<20), soon)
	layout := newLayout(t, 20<<20, 40<<20)
	var pushes []*exec.Cmd
	for _, repo := range []string{"team/app", "team/app", "team/other"} {
		push := berthCommand(t, "push", layout, c.reference(repo))
		push.Stderr = t.Output()
		if err := push.Start(); err != nil {
			t.Fatal(err)
		}
		pushes = append(pushes, push)
	}
	for _, push := range pushes {
		if err := push.Wait(); err != nil {
			t.Errorf("a push failed: %v", err)
		}
	}
	for _, repo := range []string{"team/app", "team/other"} {
		back := t.TempDir()
		move(t, "pull", c.reference(repo), back)
		wantSame(t, layout, back)
	}
}
