package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/infra/localcloud/queue"
	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// inlineUpTo has Push verify itself what is not larger, so that tests of Verify
// need not send much.
func inlineUpTo(size int) func(*config) {
	return func(cfg *config) { cfg.variables = map[string]string{"BERTH_VERIFY_INLINE": fmt.Sprint(size)} }
}

// soon has an event tried again soon after a failure.
func soon(cfg *config) { cfg.eventRetry = 200 * time.Millisecond }

// partSize is the smallest part that S3 takes.
const partSize = direct.MinPart

// tell sends a request of direct transfer and reads the answer.
func tell[T any](c *client, status int, method, path string, body any) T {
	c.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer T
	decode(c.t, c.want(status, method, path, raw, "Content-Type", "application/json"), &answer)
	return answer
}

func uploads(repo, id string) string { return "/v2/" + repo + "/" + direct.Uploads + "/" + id }

// begin asks what is to be done about one blob.
func (c *client) begin(repo string, d oci.Digest, size int) direct.Blob {
	c.t.Helper()
	wanted := direct.Begin{Blobs: []direct.Wanted{{Digest: d, Size: int64(size)}}}
	return tell[direct.Begun](c, 200, "POST", "/v2/"+repo+"/"+direct.Uploads, wanted).Blobs[0]
}

// sign asks where parts of an upload go.
func (c *client) sign(repo, id string, parts map[int][]byte) []direct.Target {
	c.t.Helper()
	var sign direct.Sign
	for number, p := range parts {
		sum := sha256.Sum256(p)
		sign.Parts = append(sign.Parts, direct.Part{Number: number, Size: int64(len(p)), SHA256: hex.EncodeToString(sum[:])})
	}
	return tell[direct.Signed](c, 200, "POST", uploads(repo, id)+"/parts", sign).Parts
}

// sendParts sends parts of an upload, and returns what S3 says to each.
func (c *client) sendParts(repo, id string, parts map[int][]byte) map[int]reply {
	c.t.Helper()
	replies := map[int]reply{}
	for _, target := range c.sign(repo, id, parts) {
		replies[target.Number] = c.put(target, parts[target.Number])
	}
	return replies
}

// put sends bytes where they go, with no other credentials.
func (c *client) put(to direct.Target, body []byte) reply {
	c.t.Helper()
	var headers []string
	for name, value := range to.Header {
		headers = append(headers, name, value)
	}
	return c.do("PUT", to.URL, body, headers...)
}

// sendDirect begins an upload of a blob under a digest and sends all its parts.
func (c *client) sendDirect(repo string, d oci.Digest, blob []byte) (id string) {
	c.t.Helper()
	begun := c.begin(repo, d, len(blob))
	if begun.State != direct.Upload {
		c.t.Fatalf("a new blob of %d bytes is %q", len(blob), begun.State)
	}
	replies := map[int]reply{}
	if begun.Upload.Put != nil {
		replies[1] = c.put(*begun.Upload.Put, blob)
	} else {
		parts := map[int][]byte{}
		for p := range slices.Chunk(blob, partSize) {
			parts[len(parts)+1] = p
		}
		replies = c.sendParts(repo, begun.Upload.ID, parts)
	}
	for number, r := range replies {
		if r.status != http.StatusOK {
			c.t.Fatalf("part %d: got %v", number, r)
		}
	}
	return begun.Upload.ID
}

// complete asks to end an upload.
func (c *client) complete(repo, id string, d oci.Digest, size int) reply {
	c.t.Helper()
	raw, _ := json.Marshal(direct.Complete{Digest: d, Size: int64(size)}) // of a text and a number
	return c.do("PUT", uploads(repo, id), raw, "Content-Type", "application/json")
}

// ends waits until an upload is verified, and returns how it ended.
func (c *client) ends(repo, id string) direct.Status {
	c.t.Helper()
	var s direct.Status
	eventually(c.t, "the upload is verified", func() bool {
		decode(c.t, c.want(200, "GET", uploads(repo, id), nil), &s)
		return s.State != direct.Verifying
	})
	return s
}

// wantBlob ends the test unless a blob comes back as it was sent.
func (c *client) wantBlob(repo string, d oci.Digest, blob []byte) {
	c.t.Helper()
	to := c.want(307, "GET", "/v2/"+repo+"/blobs/"+string(d), nil).header.Get("Location")
	if got := c.want(200, "GET", to, nil); !bytes.Equal(got.body, blob) {
		c.t.Errorf("the blob came back otherwise, with %d bytes", len(got.body))
	}
}

func digestOf(blob []byte) oci.Digest { return oci.Digest(digest(blob)) }

func digest512(blob []byte) oci.Digest {
	return oci.Digest(fmt.Sprintf("sha512:%x", sha512.Sum512(blob)))
}

// A large blob goes up past the gateway, is verified by a function that nobody
// waits for, and is there when that has ended.
func TestDirect(t *testing.T) {
	cl := newCloud(t, inlineUpTo(1))
	c := newClient(t, cl.registryURL)
	blob := noise(7*partSize + 12345)
	id := c.sendDirect("team/app", digestOf(blob), blob)
	c.want(404, "HEAD", "/v2/team/app/blobs/"+digest(blob), nil)
	if r := c.complete("team/app", id, digestOf(blob), len(blob)); r.status != 202 || r.header.Get("Retry-After") == "" {
		t.Fatalf("got %v, want 202", r)
	}
	if s := c.ends("team/app", id); s.State != direct.Done || s.Verified != int64(len(blob)) {
		t.Errorf("the upload ended as %+v", s)
	}
	c.wantBlob("team/app", digestOf(blob), blob)
	if b := c.begin("team/app", digestOf(blob), len(blob)); b.State != direct.Present {
		t.Errorf("once it is there it is %q", b.State)
	}
	if got, want := cl.events()["Verify"], (queue.Stats{Received: 1, Delivered: 1}); got != want {
		t.Errorf("events of Verify are %+v, want %+v", got, want)
	}
	if open := cl.multipartUploads(t); len(open) > 0 {
		t.Errorf("multipart uploads are left: %q", open)
	}
	for key := range cl.objects(t) {
		if strings.HasPrefix(key, "tail/") || cl.marked(t, key) {
			t.Errorf("%s is left behind, or still marked", key)
		}
	}
}

// marked reports whether an object has a tag.
func (c *cloud) marked(t *testing.T, key string) bool {
	t.Helper()
	out, err := c.s3Client().GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: &c.stack.Buckets[0].Name, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.TagSet) > 0
}

// What is wrong never becomes visible, and leaves nothing.
func TestDirectWrong(t *testing.T) {
	cl := newCloud(t, inlineUpTo(1))
	c := newClient(t, cl.registryURL)
	blob, other := noise(17<<20), noise(17<<20)
	id := c.sendDirect("team/app", digestOf(other), blob)
	if r := c.complete("team/app", id, digestOf(other), len(blob)); r.status != 202 {
		t.Fatalf("got %v, want 202", r)
	}
	if s := c.ends("team/app", id); s.State != direct.Failed || s.Found != digestOf(blob) {
		t.Errorf("the upload ended as %+v", s)
	}
	if r := c.complete("team/app", id, digestOf(other), len(blob)); r.status != 400 || !strings.Contains(string(r.body), "DIGEST_INVALID") {
		t.Errorf("asked again, got %v", r)
	}
	for _, d := range []oci.Digest{digestOf(blob), digestOf(other)} {
		c.want(404, "HEAD", "/v2/team/app/blobs/"+string(d), nil)
	}
	eventually(t, "nothing is left", func() bool { return len(cl.objects(t))+len(cl.multipartUploads(t)) == 0 })
}

// The verification goes wrong, or comes twice or late: in the end the blob is
// there once.
func TestVerifyDespite(t *testing.T) {
	for fault, parameters := range map[string]string{
		killEnvironment:  "function=Verify&count=1",
		repeatEvent:      "count=1",
		delayEvent:       "count=1&delay=2s",
		throttleInvoke:   "count=2",
		throttleTable:    "count=3",
		unavailableStore: "count=3",
	} {
		t.Run(fault, func(t *testing.T) {
			cl := newCloud(t, inlineUpTo(1), soon)
			c := newClient(t, cl.registryURL)
			blob := noise(17 << 20)
			id := c.sendDirect("team/app", digestOf(blob), blob)
			cl.inject(t, fault, parameters)
			if r := c.complete("team/app", id, digestOf(blob), len(blob)); r.status != 202 {
				t.Fatalf("got %v, want 202", r)
			}
			if s := c.ends("team/app", id); s.State != direct.Done {
				t.Errorf("the upload ended as %+v", s)
			}
			c.wantBlob("team/app", digestOf(blob), blob)
			if cl.struck(fault) == 0 {
				t.Error("the fault did not strike")
			}
		})
	}
}

// Without Lambda an upload cannot be verified, which the client is told. Asked
// again later it is.
func TestVerifyWithoutLambda(t *testing.T) {
	cl := newCloud(t, inlineUpTo(1))
	c := newClient(t, cl.registryURL)
	blob := noise(17 << 20)
	id := c.sendDirect("team/app", digestOf(blob), blob)
	cl.inject(t, throttleInvoke, "")
	if r := c.complete("team/app", id, digestOf(blob), len(blob)); r.status != 429 {
		t.Errorf("without Lambda got %v, want 429", r)
	}
	cl.faults.delete(throttleInvoke)
	if r := c.complete("team/app", id, digestOf(blob), len(blob)); r.status != 202 {
		t.Errorf("with Lambda got %v, want 202", r)
	}
	if s := c.ends("team/app", id); s.State != direct.Done {
		t.Errorf("the upload ended as %+v", s)
	}
}

// S3 refuses a part whose URL is over, and takes it by a new one.
func TestExpiredURL(t *testing.T) {
	cl := newCloud(t, func(cfg *config) { cfg.variables = map[string]string{"BERTH_PART_LIFE": "2"} })
	c := newClient(t, cl.registryURL)
	blob := noise(17 << 20)
	id := c.begin("team/app", digestOf(blob), len(blob)).Upload.ID
	target := c.sign("team/app", id, map[int][]byte{1: blob[:partSize]})[0]
	time.Sleep(time.Until(target.Expires) + 1100*time.Millisecond) // S3 counts in seconds
	if r := c.put(target, blob[:partSize]); r.status != 403 || !strings.Contains(string(r.body), "expired") {
		t.Errorf("with an old URL got %v", r)
	}
	if r := c.sendParts("team/app", id, map[int][]byte{1: blob[:partSize]})[1]; r.status != 200 {
		t.Errorf("with a new URL got %v", r)
	}
	cl.inject(t, expireURL, "count=1")
	if r := c.sendParts("team/app", id, map[int][]byte{2: blob[partSize : 2*partSize]})[2]; r.status != 403 {
		t.Errorf("by the fault got %v", r)
	}
	var s direct.Status
	if decode(t, c.want(200, "GET", uploads("team/app", id), nil), &s); len(s.Received) != 1 || s.Received[0].Number != 1 {
		t.Errorf("the upload has %+v, want the first part", s.Received)
	}
}

// S3 refuses a part of other bytes than were signed for, by itself.
func TestDamagedPart(t *testing.T) {
	cl := newCloud(t)
	c := newClient(t, cl.registryURL)
	blob := noise(17 << 20)
	id := c.begin("team/app", digestOf(blob), len(blob)).Upload.ID
	target := c.sign("team/app", id, map[int][]byte{1: blob[:partSize]})[0]
	if r := c.put(target, noise(partSize)); r.status != 400 {
		t.Errorf("other bytes: got %v, want 400", r)
	}
	if r := c.put(target, blob[:partSize+1]); r.status < 400 {
		t.Errorf("more bytes: got %v", r)
	}
	delete(target.Header, "X-Amz-Checksum-Sha256")
	if r := c.put(target, noise(partSize)); r.status != 403 {
		t.Errorf("without the checksum: got %v, want 403", r)
	}
}
