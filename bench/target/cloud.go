package target

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/client"
)

// BuildCloud compiles the local cloud of the checkout at root and returns the
// path of the binary, which it writes to dir.
func BuildCloud(ctx context.Context, root, dir string) (string, error) {
	return build(ctx, root, dir, "./infra/localcloud")
}

// Cloud starts the local cloud of a binary, with the functions that are in
// bootstraps, on a DynamoDB that runs already. The working folder must be the
// root of the checkout, where its template is. It does not print what the
// functions log; they do write it, as they do on AWS.
//
// More flags go into args. Its CPU time and its memory are those of the gateway,
// not of the functions.
func Cloud(ctx context.Context, name, binary, bootstraps string, db *DynamoDB, dir string, args ...string) (*Target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	control, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	args = append([]string{"--quiet", "--listen", addr, "--control", control, "--bootstraps", bootstraps,
		"--data", filepath.Join(dir, name), "--dynamodb", "http://" + db.Host()}, args...)
	cmd := exec.CommandContext(ctx, binary, args...)
	t, err := startUntil(ctx, (*client.Client).Ping, firstStartTimeout, name, dir, addr, cmd)
	if err != nil {
		return nil, err
	}
	t.Control = control
	return t, nil
}
