package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/berthregistry/berth/shared/oci"
)

// begin starts an upload and returns its path.
func (v *visit) begin(ctx context.Context) (path string, err error) {
	a, err := v.write(ctx, http.MethodPost, "/v2/"+v.Repository+"/blobs/uploads/", nil)
	if err != nil {
		return "", fmt.Errorf("begin an upload: %w", err)
	}
	if a.status != http.StatusAccepted {
		return "", fmt.Errorf("begin an upload: %s", a)
	}
	if n, err := strconv.ParseInt(a.get("Oci-Chunk-Max-Length"), 10, 64); err == nil && n > 0 {
		v.announced = n
	}
	location, err := v.URL.Parse(a.get("Location"))
	if err != nil || a.get("Location") == "" {
		return "", fmt.Errorf("begin an upload: the answer has the Location %q", a.get("Location"))
	}
	if location.Host != v.URL.Host {
		return "", fmt.Errorf("begin an upload: %s is another host", location.Host)
	}
	path = location.RequestURI()
	v.artifact.leaves(path)
	v.begun = true
	return path, nil
}

// upload pushes a blob in as few requests as pass, and says in how many.
func (v *visit) upload(ctx context.Context, name, contentType string, content []byte) (requests int, err error) {
	path, err := v.begin(ctx)
	if err != nil {
		return 1, err
	}
	b := piece{digest: oci.SHA256.Sum(content), content: content}
	v.artifact.leaves(v.blobPath(b.digest))
	rest, requests := content, 2 // the first and the last
	if chunk := int(v.chunkSize()); len(content) > chunk {
		for offset := 0; offset < len(content); offset += chunk {
			part := content[offset:min(offset+chunk, len(content))]
			if err := v.patch(ctx, path, offset, part); err != nil {
				return requests, err
			}
			requests++
		}
		rest = nil
	}
	if err := v.finish(ctx, path, b.digest, contentType, rest); err != nil {
		return requests, err
	}
	v.artifact.blobs[name] = b
	return requests, nil
}

// chunkSize is what is known to pass, else what is said to, else what should.
func (v *visit) chunkSize() int64 { return cmp.Or(v.chunk, v.announced, lambdaRequest) }

func (v *visit) patch(ctx context.Context, path string, offset int, part []byte) error {
	a, err := v.write(ctx, http.MethodPatch, path, part,
		"Content-Type", octetStream, "Content-Range", fmt.Sprintf("%d-%d", offset, offset+len(part)-1))
	if err == nil && a.status != http.StatusAccepted {
		err = errors.New(a.String())
	}
	if err != nil {
		return fmt.Errorf("chunk at %d: %w", offset, err)
	}
	return nil
}

func (v *visit) finish(ctx context.Context, path string, d oci.Digest, contentType string, rest []byte) error {
	u, err := url.Parse(path)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("digest", string(d))
	u.RawQuery = q.Encode()
	var header []string
	if contentType != "" {
		header = []string{"Content-Type", contentType}
	}
	a, err := v.write(ctx, http.MethodPut, u.RequestURI(), rest, header...)
	if err == nil && a.status != http.StatusCreated {
		err = errors.New(a.String())
	}
	if err != nil {
		return fmt.Errorf("end the upload: %w", err)
	}
	return nil
}
