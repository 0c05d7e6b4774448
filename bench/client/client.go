// Package client pushes to registries, plainly: as every client does, with no
// cleverness that one registry might like better than another.
package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A Client talks to one registry. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
	user *url.Userinfo // nil for nobody
}

// New returns a client of the registry at an address like
// http://127.0.0.1:5000.
func New(address string) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("registry address: %w", err)
	}
	if base.Scheme != "http" || base.Host == "" {
		return nil, fmt.Errorf("registry address %q is not like http://127.0.0.1:5000", address)
	}
	return &Client{base: base, http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, WriteBufferSize: 64 << 10, DisableCompression: true},
		Timeout:   10 * time.Minute,
	}}, nil
}

// Host is the registry's host:port.
func (c *Client) Host() string { return c.base.Host }

// Answer is what was answered to a request, read to the end.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Ping asks whether a registry is there.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v2/", want: http.StatusOK})
	return err
}

// Get returns what is under a path.
func (c *Client) Get(ctx context.Context, path string) (Answer, error) {
	return c.do(ctx, request{method: http.MethodGet, path: path, want: http.StatusOK})
}

// PushBlob begins an upload and ends it with all bytes (POST, PUT).
func (c *Client) PushBlob(ctx context.Context, repo string, b Blob) error {
	place, err := c.begin(ctx, repo)
	if err != nil {
		return err
	}
	return c.finish(ctx, place, b, b.Open(), b.Size)
}

// StreamBlob begins an upload, sends all bytes, and ends it (POST, PATCH, PUT),
// as docker, containerd and crane do with layers.
func (c *Client) StreamBlob(ctx context.Context, repo string, b Blob) error {
	place, err := c.begin(ctx, repo)
	if err != nil {
		return err
	}
	a, err := c.do(ctx, request{
		method: http.MethodPatch, path: place, want: http.StatusAccepted,
		contentType: "application/octet-stream", body: b.Open(), size: b.Size,
	})
	if err != nil {
		return err
	}
	return c.finish(ctx, a.Header.Get("Location"), b, http.NoBody, 0)
}

func (c *Client) begin(ctx context.Context, repo string) (place string, err error) {
	a, err := c.do(ctx, request{method: http.MethodPost, path: "/v2/" + repo + "/blobs/uploads/", want: http.StatusAccepted})
	return a.Header.Get("Location"), err
}

func (c *Client) finish(ctx context.Context, place string, b Blob, body io.Reader, size int64) error {
	u, err := url.Parse(place)
	if err != nil {
		return fmt.Errorf("location of an upload: %w", err)
	}
	q := u.Query()
	q.Set("digest", b.Digest)
	u.RawQuery = q.Encode()
	_, err = c.do(ctx, request{
		method: http.MethodPut, path: u.String(), want: http.StatusCreated,
		contentType: "application/octet-stream", body: body, size: size,
	})
	return err
}

// PushManifest puts a manifest under a tag or its digest, and under more tags
// if the registry takes them (spec, end-7b).
func (c *Client) PushManifest(ctx context.Context, repo, ref string, m Manifest, tags ...string) error {
	path := "/v2/" + repo + "/manifests/" + ref
	if len(tags) > 0 {
		path += "?" + url.Values{"tag": tags}.Encode()
	}
	_, err := c.do(ctx, request{
		method: http.MethodPut, path: path, want: http.StatusCreated,
		contentType: m.MediaType, body: bytes.NewReader(m.Body), size: int64(len(m.Body)),
	})
	return err
}

// DeleteTag removes a tag.
func (c *Client) DeleteTag(ctx context.Context, repo, tag string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: "/v2/" + repo + "/manifests/" + tag, want: http.StatusAccepted})
	return err
}

type request struct {
	method, path string // path may be a whole URL
	want         int    // status
	contentType  string
	body         io.Reader
	size         int64
}

func (c *Client) do(ctx context.Context, r request) (Answer, error) {
	target, err := c.base.Parse(r.path)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), r.body)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	req.ContentLength = r.size
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if c.user != nil {
		password, _ := c.user.Password()
		req.SetBasicAuth(c.user.Username(), password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err // names method and URL
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", r.method, target, err)
	}
	if resp.StatusCode != r.want {
		return Answer{}, fmt.Errorf("%s %s: answered %s, wanted %d: %.200s", r.method, target, resp.Status, r.want, body)
	}
	return Answer{Header: resp.Header, Body: body}, nil
}
