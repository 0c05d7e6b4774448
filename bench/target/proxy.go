package target

import (
	"context"
	"fmt"
	"os/exec"
)

// Proxy starts berth proxy, which stands before a registry.
func Proxy(ctx context.Context, binary string, before *Target, dir string) (*Target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start berth proxy: %w", err)
	}
	cmd := exec.CommandContext(ctx, binary, "proxy", "--to", "http://"+before.Host(), "--listen", addr)
	return start(ctx, "proxy", dir, addr, cmd)
}
