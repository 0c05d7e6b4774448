package e2e

import (
	"context"
	"sync"
	"testing"

	"github.com/berthregistry/berth/e2e/berth"
)

// builtBerth is the command, which moves images to any registry.
var builtBerth = sync.OnceValues(func() (string, error) {
	if binary != "" {
		return binary, nil
	}
	return berth.Build(context.Background(), scratch)
})

// runBerth runs the command and returns what it printed.
func runBerth(t *testing.T, args ...string) string {
	t.Helper()
	path, err := builtBerth()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, path, args...)
}
