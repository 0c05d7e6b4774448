package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/transfer"
)

// directSize is that of a layer whose parts go straight to S3.
const directSize = 1 << 30

// countDirect counts what berth push does with a large layer that nobody has. It
// is verified by a function of its own, which is called as soon as it is asked
// for: how often a client asks meanwhile whether it has ended is up to S3.
func countDirect(ctx context.Context, m *meter, items table.Store, store blobs.Store, size int64) (bill, error) {
	var reg *registry.Registry
	verify := func(ctx context.Context, repo, id string) error {
		m.add(func(b *bill) {
			b.invocations++
			b.copied += float64(size)
		})
		return reg.VerifyDirect(ctx, repo, id)
	}
	reg = registry.New(items, store, registry.Options{Verify: verify, VerifyInline: size - 1})
	server := httptest.NewServer(m.gateway(distribution.New(reg, distribution.Options{Door: door})))
	defer server.Close()

	to, err := remote.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/" + repo)
	if err != nil {
		return bill{}, fmt.Errorf("open the repository: %w", err)
	}
	to.PlainHTTP = true
	engine := transfer.New(transfer.Options{Store: &http.Client{Transport: meteredTransport{transfer.NewTransport(), m}}})
	layer := newPattern(size)
	m.take()
	way, err := engine.Open(to, "").Push(ctx, layer.descriptor(), layer, nil)
	if err != nil || way != transfer.Direct {
		return bill{}, fmt.Errorf("push directly (%q): %w", way, err)
	}
	return m.take(), nil
}

// A pattern is a blob that is too large to hold: the same bytes again and again.
type pattern struct {
	bytes []byte
	size  int64
}

func newPattern(size int64) pattern { return pattern{randomBytes(1 << 20), size} }

// ReadPart implements transfer.Source.
func (p pattern) ReadPart(_ context.Context, off int64, to []byte) error {
	for n := 0; n < len(to); {
		n += copy(to[n:], p.bytes[(off+int64(n))%int64(len(p.bytes)):])
	}
	return nil
}

// Close implements transfer.Source.
func (pattern) Close() error { return nil }

func (p pattern) descriptor() v1.Descriptor {
	h, part := oci.SHA256.Hash(), make([]byte, 1<<20)
	for off := int64(0); off < p.size; off += int64(len(part)) {
		part = part[:min(int64(len(part)), p.size-off)]
		_ = p.ReadPart(context.Background(), off, part) // it never fails
		h.Write(part)
	}
	return v1.Descriptor{
		MediaType: v1.MediaTypeImageLayer, Size: p.size,
		Digest: oci.Digest(fmt.Sprintf("%s:%x", oci.SHA256, h.Sum(nil))),
	}
}

// meteredTransport counts what a client sends to S3 by itself.
type meteredTransport struct {
	http.RoundTripper
	meter *meter
}

func (t meteredTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err == nil {
		t.meter.add(func(b *bill) { countS3(b, req.Method, req.URL.Query()) })
	}
	return resp, err
}

// gateway counts what passes through the HTTP API to a function.
func (m *meter) gateway(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		m.add(func(b *bill) {
			b.invocations++
			b.gateway += units(max(int(r.ContentLength), answer.Body.Len()), gatewayStep)
		})
		for name, values := range answer.Result().Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = io.Copy(w, answer.Body) // whoever asked has gone
	})
}
