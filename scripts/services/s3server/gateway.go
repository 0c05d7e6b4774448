package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// openBackend prepares the folder. Every folder in root is a bucket to the
// gateway, so the buckets are there before the first request is answered.
func openBackend(root string, buckets []string) (*posix.Posix, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find root: %w", err)
	}
	for _, bucket := range buckets {
		if err := os.MkdirAll(filepath.Join(root, bucket), 0o755); err != nil {
			return nil, fmt.Errorf("make bucket %q: %w", bucket, err)
		}
	}
	if err := (meta.XattrMeta{}).Test(root); err != nil {
		return nil, fmt.Errorf("file system of %s cannot hold object metadata, choose another --root: %w", root, err)
	}
	return posix.New(root, meta.XattrMeta{}, posix.PosixOpts{
		CopyObjectThreshold: 5 << 30, // zero would refuse every copy
	})
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, backend *posix.Posix, s settings) error {
	err := embedgw.RunVersityGW(ctx, backend, &embedgw.Config{
		RootUserAccess:    s.accessKey,
		RootUserSecret:    s.secretKey,
		Region:            s.region,
		Ports:             []string{s.listen},
		MaxConnections:    4096,
		MaxRequests:       1024,
		MultipartMaxParts: 10000,
		HealthPath:        "/health",
		KeepAlive:         true,
		Quiet:             true,
	})
	if err != nil {
		return fmt.Errorf("serve %s: %w", s.listen, err)
	}
	return nil
}
