package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/berthregistry/berth/shared/oci"
)

// client sends requests as the gateway hands them on, and has them metered.
type client struct {
	meter   *meter
	handler http.Handler
}

// gatewayStep is what the HTTP API counts as one request: 512 KB of body,
// whichever way it goes.
const gatewayStep = 512 << 10

// send makes one request and wants one status. A redirect to S3 is followed by
// the client, which costs a request there and nothing here.
func (c client) send(ctx context.Context, method, target string, body []byte, status int, headers ...string) (*http.Response, error) {
	req := httptest.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	c.meter.gateway(c.handler).ServeHTTP(answer, req)
	if answer.Code != status {
		return nil, fmt.Errorf("%s %s: got %d, want %d: %.200q", method, target, answer.Code, status, answer.Body)
	}
	if status == http.StatusTemporaryRedirect {
		c.meter.add(func(b *bill) { b.s3Reads++ })
	}
	return answer.Result(), nil
}

// pushBlob does what a client does with a layer: looks whether it is there,
// and sends it, in requests that pass the gateway.
func (c client) pushBlob(ctx context.Context, repo string, blob []byte) error {
	base, sum := "/v2/"+repo+"/blobs/", string(oci.SHA256.Sum(blob))
	if _, err := c.send(ctx, "HEAD", base+sum, nil, http.StatusNotFound); err != nil {
		return err
	}
	resp, err := c.send(ctx, "POST", base+"uploads/", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	for done, chunk := 0, 0; done < len(blob); done += chunk {
		chunk = min(len(blob)-done, int(door.Request))
		resp, err = c.send(ctx, "PATCH", resp.Header.Get("Location"), blob[done:done+chunk], http.StatusAccepted,
			"Content-Range", fmt.Sprintf("%d-%d", done, done+chunk-1))
		if err != nil {
			return err
		}
	}
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return fmt.Errorf("read a location: %w", err)
	}
	query := location.Query()
	query.Set("digest", sum)
	location.RawQuery = query.Encode()
	_, err = c.send(ctx, "PUT", location.String(), nil, http.StatusCreated)
	return err
}
