package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What each function does, on all routes and off the beaten path, is exactly
// what its role allows: nothing was refused, and nothing is allowed in vain.
// Logs and traces are written by Lambda itself and not seen here.
func TestPoliciesAreExact(t *testing.T) {
	cl := newCloud(t, guarded(t), inlineUpTo(inline), func(cfg *config) { cfg.batchRetry = time.Millisecond })
	c, releases := cl.robot(t, "root"), cl.robot(t, "releases")
	for _, part := range []struct {
		name  string
		drive func(*client)
	}{
		{"images", driveImages},
		{"uploads", driveUploads},
		{"large manifests", driveLargeManifests},
		{"referrers", driveReferrers},
		{"mounts", driveMounts},
		{"absent things", driveAbsent},
		{"deletes", driveDeletes},
		{"many children", driveManyChildren},
		{"wrong digests", driveWrongDigests},
		{"lost bytes", func(c *client) { driveLostBytes(c, cl) }},
		{"lost races", func(c *client) { driveLostRaces(c, cl) }},
		{"direct uploads", func(c *client) { driveDirect(c, cl) }},
		{"direct uploads that are wrong", func(c *client) { driveWrongDirect(c, cl) }},
		{"direct uploads given up", driveAbortedDirect},
		{"limited to tags", func(c *client) { driveLimited(c, releases) }},
		{"tokens", driveTokens},
		{"refusals", driveRefusals},
		{"events that are given up", func(c *client) { driveLetters(c, cl) }},
	} {
		t.Run(part.name, func(t *testing.T) {
			sub := *c
			sub.t = t
			part.drive(&sub)
		})
	}
	for id, list := range cl.actions() {
		for _, u := range list {
			switch {
			case strings.HasPrefix(u.Action, "logs:") || strings.HasPrefix(u.Action, "xray:"):
			case u.Action == sendMessage && u.Refused == 0: // of what is given up; see TestRedrive
			case u.Refused > 0:
				t.Errorf("%s was refused %s on %s, %d times", id, u.Action, u.Resource, u.Refused)
			case u.Allowed == 0:
				t.Errorf("%s may %s on %s and never does", id, u.Action, u.Resource)
			}
		}
	}
}

// Announce fails until a change is given up, and then does not.
func driveLetters(c *client, cl *cloud) {
	queue := cl.queueOfLetters(c.t)
	cl.inject(c.t, killEnvironment, "function=Announce")
	eventually(c.t, "a change is given up", func() bool {
		c.pushImage("team/app", "given-up")
		return len(cl.letters()[queue]) > 0
	})
	cl.faults.delete(killEnvironment)
}

func driveImages(c *client) {
	layer := noise(2 << 20)
	m := c.pushImage("team/app", "v1", layer)
	for _, method := range []string{"GET", "HEAD"} {
		c.want(200, method, "/v2/", nil)
		c.want(200, method, "/v2/team/app/manifests/v1", nil)
		c.want(200, method, "/v2/team/app/manifests/"+digest(m), nil)
		c.want(200, method, "/v2/team/app/tags/list", nil)
		c.want(200, method, "/v2/_catalog", nil)
	}
	c.want(200, "GET", "/v2/team/app/blobs/"+digest(layer), nil)
	c.want(206, "GET", "/v2/team/app/blobs/"+digest(layer), nil, "Range", "bytes=10-20")
	to := c.want(307, "HEAD", "/v2/team/app/blobs/"+digest(layer), nil).header.Get("Location")
	c.want(200, "HEAD", to, nil)
	c.pushImage("team/app", "v1", layer) // the tag moves
	entry, _ := json.Marshal(describe(imageType, m))
	c.want(201, "PUT", "/v2/team/app/manifests/all", fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, indexType, entry), "Content-Type", indexType)
}

// Chunks are smaller than parts, so that each leaves a tail behind.
func driveUploads(c *client) {
	c.pushChunks("team/app", noise(17<<20), 4<<20)
	c.pushChunks("team/app", noise(300<<10), 100<<10)

	for _, chunks := range []int{0, 1, 4} { // without bytes, with a tail, with parts and a tail
		where := c.startChunks("team/app", slices.Repeat([][]byte{noise(4 << 20)}, chunks)...)
		c.want(204, "GET", where, nil)
		c.want(204, "DELETE", where, nil)
		c.want(404, "GET", where, nil)
	}
	blob := noise(1 << 20)
	c.want(201, "POST", "/v2/team/app/blobs/uploads/?digest="+digest(blob), blob, "Content-Type", "application/octet-stream")
}

// A manifest of more than 256 KiB does not fit its item.
func driveLargeManifests(c *client) {
	config := []byte("{}")
	c.pushBlob("team/big", config)
	m := image(config, nil, map[string]any{"annotations": map[string]string{"note": strings.Repeat("x", 300<<10)}})
	for range 2 { // the second time it is there
		c.want(201, "PUT", "/v2/team/big/manifests/v1", m, "Content-Type", imageType)
	}
	c.want(200, "GET", "/v2/team/big/manifests/v1", nil)
	c.want(200, "HEAD", "/v2/team/big/manifests/"+digest(m), nil)
	c.want(202, "DELETE", "/v2/team/big/manifests/"+digest(m), nil)
	c.want(404, "GET", "/v2/team/big/manifests/v1", nil)
}

func driveReferrers(c *client) {
	subject := c.pushImage("team/app", "signed", noise(20<<10))
	config := []byte("{}")
	c.pushBlob("team/app", config)
	signature := image(config, nil, map[string]any{
		"artifactType": "application/vnd.example.signature", "subject": describe(imageType, subject),
	})
	c.want(201, "PUT", "/v2/team/app/manifests/"+digest(signature), signature, "Content-Type", imageType)
	c.want(200, "GET", "/v2/team/app/referrers/"+digest(subject), nil)
	c.want(200, "GET", "/v2/team/app/referrers/"+digest(subject)+"?artifactType=application/vnd.example.signature", nil)
	c.want(202, "DELETE", "/v2/team/app/manifests/"+digest(signature), nil)
}

func driveMounts(c *client) {
	large, small := noise(5<<20), noise(3<<10)
	c.pushChunks("team/base", large, 4<<20)
	c.pushBlob("team/base", small)
	for _, b := range [][]byte{large, small} {
		c.want(201, "POST", "/v2/team/derived/blobs/uploads/?from=team/base&mount="+digest(b), nil)
	}
	c.want(202, "POST", "/v2/team/derived/blobs/uploads/?from=team/base&mount="+digest([]byte("absent")), nil)
	c.want(201, "POST", "/v2/team/other/blobs/uploads/?mount="+digest(large), nil) // from wherever it is
	c.want(202, "DELETE", "/v2/team/other/blobs/"+digest(large), nil)
	c.want(202, "DELETE", "/v2/team/base/blobs/"+digest(large), nil)
	c.want(307, "GET", "/v2/team/derived/blobs/"+digest(large), nil)
	c.want(202, "DELETE", "/v2/team/derived/blobs/"+digest(large), nil)
}

func driveAbsent(c *client) {
	nothing := digest([]byte("nothing"))
	c.want(404, "GET", "/v2/team/app/manifests/nothing", nil)
	c.want(404, "GET", "/v2/team/app/blobs/"+nothing, nil)
	c.want(404, "GET", "/v2/team/none/tags/list", nil)
	c.want(404, "DELETE", "/v2/team/app/manifests/"+nothing, nil)
	c.want(404, "DELETE", "/v2/team/app/blobs/"+nothing, nil)
	c.want(404, "PATCH", "/v2/team/app/blobs/uploads/none", []byte("x"), "Content-Type", "application/octet-stream")
	c.want(400, "PUT", "/v2/team/app/manifests/v9", image([]byte("not there"), nil, nil), "Content-Type", imageType)
	child := image([]byte("never pushed"), nil, nil)
	entry, _ := json.Marshal(describe(imageType, child))
	c.want(400, "PUT", "/v2/team/app/manifests/sparse", fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, indexType, entry), "Content-Type", indexType)
	c.want(404, "GET", "/v2/team/app/manifests/"+digest(child), nil)
	c.want(405, "OPTIONS", "/v2/team/app/manifests/v1", nil)
}

func driveDeletes(c *client) {
	layer := noise(6 << 20)
	c.pushChunks("team/gone", layer, 4<<20)
	m := c.pushImage("team/gone", "v1", noise(50<<10))
	c.want(202, "DELETE", "/v2/team/gone/manifests/v1", nil)
	c.want(202, "DELETE", "/v2/team/gone/manifests/"+digest(m), nil)
	c.want(202, "DELETE", "/v2/team/gone/blobs/"+digest(layer), nil)
	c.want(404, "GET", "/v2/team/gone/blobs/"+digest(layer), nil)
}

// A manifest with more children than fit the transaction that deletes it.
func driveManyChildren(c *client) {
	var layers [][]byte
	for range 110 {
		layers = append(layers, noise(64))
	}
	m := c.pushImage("team/many", "v1", layers...)
	c.want(202, "DELETE", "/v2/team/many/manifests/"+digest(m), nil)
}

// What does not hash to its digest is refused. If the digest is of another
// algorithm than was announced, the bytes are read again to tell.
func driveWrongDigests(c *client) {
	blob := noise(8 << 20)
	first, second := blob[:4<<20], blob[4<<20:]
	c.want(400, "POST", "/v2/team/app/blobs/uploads/?digest="+digest(nil), first, "Content-Type", "application/octet-stream")
	c.want(400, "PUT", with(c.startChunks("team/app", first, second), "digest", digest(nil)), nil)
	c.want(201, "PUT", with(c.sendChunks(c.announce512(), first, second), "digest", digest(blob)), nil)
	c.want(400, "PUT", with(c.sendChunks(c.announce512(), first, second), "digest", digest(nil)), nil)
}

// announce512 starts an upload whose digest is said to be of SHA-512.
func (c *client) announce512() string {
	c.t.Helper()
	return c.want(202, "POST", "/v2/team/app/blobs/uploads/?digest-algorithm=sha512", nil).header.Get("Location")
}

// An object is lost, by a hand in the bucket or by a deletion at the same time.
func driveLostBytes(c *client, cl *cloud) {
	blob := noise(1 << 20)
	before := cl.objects(c.t)
	c.pushBlob("team/app", blob)
	removed := 0
	for key := range cl.objects(c.t) {
		if !before[key] {
			cl.removeObject(c.t, key)
			removed++
		}
	}
	if removed != 1 {
		c.t.Fatalf("a blob made %d objects, want 1", removed)
	}
	if r := c.do("GET", "/v2/team/app/blobs/"+digest(blob), nil); r.status == 200 {
		c.t.Errorf("bytes that are lost are served: %v", r)
	}
}

// Two requests begin the parts of one upload, and the one that comes too late
// leaves a multipart upload that nobody knows of. It goes with the upload.
func driveLostRaces(c *client, cl *cloud) {
	before := cl.multipartUploads(c.t)
	where := c.sendChunks(c.announce512(), noise(4<<20), noise(4<<20))
	for _, key := range cl.multipartUploads(c.t) {
		if slices.Contains(before, key) {
			continue
		}
		if _, err := cl.s3Client().CreateMultipartUpload(c.t.Context(), &s3.CreateMultipartUploadInput{
			Bucket: &cl.stack.Buckets[0].Name, Key: &key,
		}); err != nil {
			c.t.Fatal(err)
		}
	}
	c.want(400, "PUT", with(where, "digest", digest(nil)), nil)
	if after := cl.multipartUploads(c.t); !slices.Equal(after, before) {
		c.t.Errorf("multipart uploads are %q, want %q as before", after, before)
	}
}

// multipartUploads returns the keys of those that are open.
func (c *cloud) multipartUploads(t *testing.T) []string {
	t.Helper()
	out, err := c.s3Client().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &c.stack.Buckets[0].Name})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, u := range out.Uploads {
		keys = append(keys, *u.Key)
	}
	return keys
}

// objects returns the keys of all objects of the registry.
func (c *cloud) objects(t *testing.T) map[string]bool {
	t.Helper()
	out, err := c.s3Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &c.stack.Buckets[0].Name})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, o := range out.Contents {
		keys[*o.Key] = true
	}
	return keys
}

func (c *cloud) removeObject(t *testing.T, key string) {
	t.Helper()
	if _, err := c.s3Client().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &c.stack.Buckets[0].Name, Key: &key}); err != nil {
		t.Fatal(err)
	}
}
