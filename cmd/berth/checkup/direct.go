package checkup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

// directSize makes two parts of a blob, or one PUT: what the registry would rather
// have through its own door is smaller.
const directSize = direct.MinPart + 1<<20

// direct sends blobs as berth push does (docs/direct-transfer.md): one whose digest
// is known from the start, in one PUT, and one in parts that tells it at the end.
func (v *visit) direct(ctx context.Context) Finding {
	offered, err := v.discover(ctx)
	switch {
	case err != nil:
		return broken(err.Error(), "see the lines above; the log of the pull function says more")
	case !offered && v.gateway:
		return differs("it is not offered", "deploy the newest release of Berth: until then layers above the limit of a request go up in chunks, which few clients send")
	case !offered:
		return ok("it is not offered: layers go through the registry")
	}
	var host string
	for _, known := range []bool{true, false} {
		content := random(directSize)
		d := delivery{visit: v, blob: piece{digest: oci.SHA256.Sum(content), content: content}, known: known}
		if f := d.bring(ctx); f.Verdict != OK {
			return f
		}
		host = d.host
	}
	return ok("to %s, in one PUT and in 2 parts", host)
}

// discover says whether the registry has the extension.
func (v *visit) discover(ctx context.Context) (bool, error) {
	a, err := v.ask(ctx, http.MethodGet, "/v2/"+v.Repository+"/_oci/ext/discover", nil)
	if err != nil {
		return false, err
	}
	if a.status == http.StatusNotFound {
		return false, nil
	}
	var found direct.Discovery
	if a.status != http.StatusOK || json.Unmarshal(a.body, &found) != nil {
		return false, fmt.Errorf("discover extensions: %s", a)
	}
	return slices.ContainsFunc(found.Extensions, func(e direct.Extended) bool {
		return e.Name == direct.Extension && slices.Contains(e.Endpoints, direct.Uploads)
	}), nil
}

// A delivery is a blob on its way to the bucket.
type delivery struct {
	*visit
	blob  piece
	known bool // the digest is, when it begins
	id    string
	host  string // where the bytes went
}

// What to do about it, by what failed.
const (
	afterRegistry = "the logs of the push and pull functions say more"
	afterStore    = "clients send layers there: it must be reachable, and its clock right to a minute"
	afterVerify   = "the log of the verify function says more"
)

// bring sends a blob and pulls it.
func (d *delivery) bring(ctx context.Context) Finding {
	targets, err := d.begin(ctx)
	if err != nil {
		return broken(err.Error(), afterRegistry)
	}
	for i, piece := range d.pieces() {
		if err := d.put(ctx, targets[i], piece); err != nil {
			return broken(err.Error(), afterStore)
		}
	}
	switch verified, err := d.complete(ctx); {
	case err != nil:
		return broken(err.Error(), afterRegistry)
	case !verified:
		return broken(fmt.Sprintf("it is not verified after %v", patience), afterVerify)
	}
	return d.pull(ctx)
}

// pieces are the parts in which the blob is sent.
func (d *delivery) pieces() [][]byte {
	if d.known {
		return [][]byte{d.blob.content}
	}
	return slices.Collect(slices.Chunk(d.blob.content, direct.MinPart))
}

// begin begins an upload and returns where its parts go.
func (d *delivery) begin(ctx context.Context) ([]direct.Target, error) {
	w := direct.Wanted{Size: -1}
	if d.known {
		w = direct.Wanted{Digest: d.blob.digest, Size: int64(len(d.blob.content))}
	}
	d.artifact.leaves(d.blobPath(d.blob.digest))
	var begun direct.Begun
	if _, err := d.talk(ctx, http.MethodPost, d.uploads(), direct.Begin{Blobs: []direct.Wanted{w}}, &begun); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	if len(begun.Blobs) != 1 || begun.Blobs[0].Upload == nil {
		return nil, errors.New("begin: the answer has no upload")
	}
	u := begun.Blobs[0].Upload
	d.id = u.ID
	d.artifact.leaves(d.uploads() + "/" + d.id)
	switch {
	case !d.known:
		return d.sign(ctx)
	case u.Put == nil:
		return nil, errors.New("begin: the answer does not say where the blob goes")
	}
	return []direct.Target{*u.Put}, nil
}

func (d *delivery) uploads() string { return "/v2/" + d.Repository + "/" + direct.Uploads }

// sign asks where the parts go.
func (d *delivery) sign(ctx context.Context) ([]direct.Target, error) {
	var s direct.Sign
	for _, piece := range d.pieces() {
		sum := sha256.Sum256(piece)
		s.Parts = append(s.Parts, direct.Part{Number: len(s.Parts) + 1, Size: int64(len(piece)), SHA256: hex.EncodeToString(sum[:])})
	}
	var signed direct.Signed
	if _, err := d.talk(ctx, http.MethodPost, d.uploads()+"/"+d.id+"/parts", s, &signed); err != nil {
		return nil, fmt.Errorf("sign parts: %w", err)
	}
	if len(signed.Parts) != len(s.Parts) {
		return nil, fmt.Errorf("sign parts: %d of %d are signed", len(signed.Parts), len(s.Parts))
	}
	return signed.Parts, nil
}

// put sends bytes to the bucket, without credentials: they are in the URL.
func (d *delivery) put(ctx context.Context, to direct.Target, content []byte) error {
	u, err := url.Parse(to.URL)
	if err != nil || u.Host == "" {
		return errors.New("the registry has signed what is no URL")
	}
	d.host = u.Host
	var header []string
	for name, value := range to.Header {
		header = append(header, name, value)
	}
	a, err := d.send(context.WithoutCancel(ctx), d.Anonymous, http.MethodPut, to.URL, content, header...)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s answers %d %s", u.Host, a.status, bytes.Join(codeOf.FindAll(a.body, 1), nil))
	}
	return nil
}

// codeOf is what S3 calls an error. The rest of its answer may have parts of what
// was signed.
var codeOf = regexp.MustCompile(`<Code>\w{1,60}</Code>`)

// complete ends the upload and says whether the blob was verified in time.
func (d *delivery) complete(ctx context.Context) (verified bool, err error) {
	c := direct.Complete{Digest: d.blob.digest, Size: int64(len(d.blob.content))}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		var s direct.Status
		a, err := d.talk(ctx, http.MethodPut, d.uploads()+"/"+d.id, c, &s)
		if err != nil {
			return false, fmt.Errorf("complete: %w", err)
		}
		if a.status == http.StatusCreated {
			return true, nil
		}
		wait, err := strconv.Atoi(a.get("Retry-After"))
		if err != nil {
			return false, fmt.Errorf("complete: %d with Retry-After %q", a.status, a.get("Retry-After"))
		}
		select {
		case <-time.After(time.Duration(wait) * time.Second):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return false, nil
}

// pull gets the blob as any client does.
func (d *delivery) pull(ctx context.Context) Finding {
	a, err := d.ask(ctx, http.MethodGet, d.blobPath(d.blob.digest), nil)
	if err == nil && isRedirect(a.status) {
		a, _, err = d.follow(ctx, http.MethodGet, a)
	}
	switch {
	case err != nil:
		return broken(err.Error(), reach)
	case a.status != http.StatusOK:
		return broken("pull: "+a.String(), afterRegistry)
	case !bytes.Equal(a.body, d.blob.content):
		return changed(a.body, d.blob.content)
	}
	return ok("")
}

// talk sends a request in JSON and reads the answer, which must be a good one.
func (v *visit) talk(ctx context.Context, method, path string, body, into any) (answer, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	a, err := v.write(ctx, method, path, raw, "Content-Type", "application/json")
	switch {
	case err != nil:
		return a, err
	case a.status/100 != 2:
		return a, errors.New(a.String())
	}
	return a, json.Unmarshal(a.body, into)
}
