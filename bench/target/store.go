package target

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/berthregistry/berth/bench/client"
)

// Store is an S3 server, which keeps each bucket as a folder.
type Store struct {
	*Target
	root string
}

// Who may do anything there.
const (
	StoreKey    = "berth-test"
	StoreSecret = "berth-test-secret"
)

// StartStore has a script of the checkout at root start an S3 server with these
// buckets, which it builds at first.
func StartStore(ctx context.Context, root, dir string, buckets ...string) (*Store, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start S3: %w", err)
	}
	data, err := filepath.Abs(filepath.Join(dir, "s3"))
	if err != nil {
		return nil, fmt.Errorf("start S3: %w", err)
	}
	if err := os.MkdirAll(data, 0o777); err != nil {
		return nil, fmt.Errorf("start S3: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "scripts", "services", "s3"),
		"--listen", addr, "--root", data, "--buckets", strings.Join(buckets, ","))
	t, err := startUntil(ctx, healthy, firstStartTimeout, "s3", dir, addr, cmd)
	if err != nil {
		return nil, err
	}
	return &Store{t, data}, nil
}

func healthy(c *client.Client, ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Host()+"/health", nil)
	if err != nil {
		return fmt.Errorf("ask whether S3 is there: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask whether S3 is there: %w", err)
	}
	return resp.Body.Close()
}

// URL is where the server is.
func (s *Store) URL() string { return "http://" + s.Host() }

// Empty removes what is in a bucket, as quickly as the disk can: what figures
// leave there is large.
func (s *Store) Empty(bucket string) error {
	entries, err := os.ReadDir(filepath.Join(s.root, bucket))
	if err != nil {
		return fmt.Errorf("empty bucket %s: %w", bucket, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(s.root, bucket, e.Name())); err != nil {
			return fmt.Errorf("empty bucket %s: %w", bucket, err)
		}
	}
	return nil
}

// Buckets are the names of all buckets.
func (s *Store) Buckets() ([]string, error) {
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return nil, fmt.Errorf("list buckets: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
