package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/access/vault"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	v, ctx := vault.File(path), t.Context()
	if _, _, err := v.Load(ctx); !errors.Is(err, vault.ErrAbsent) {
		t.Fatalf("an empty vault: got %v", err)
	}
	if err := v.Store(ctx, []byte("x"), "some version"); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("replace nothing: got %v", err)
	}
	if err := v.Store(ctx, []byte("one"), ""); err != nil {
		t.Fatal(err)
	}
	if err := v.Store(ctx, []byte("other"), ""); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("a second first: got %v", err)
	}
	doc, version, err := v.Load(ctx)
	if err != nil || string(doc) != "one" {
		t.Fatalf("got %q, %v", doc, err)
	}
	if err := v.Store(ctx, []byte("two"), version); err != nil {
		t.Fatal(err)
	}
	if err := v.Store(ctx, []byte("three"), version); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("replace what was replaced: got %v", err)
	}
	if doc, _, err := vault.File(path).Load(ctx); err != nil || string(doc) != "two" {
		t.Errorf("got %q, %v", doc, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// What a crash leaves beside the file is in nobody's way, whoever may read it.
func TestFileAfterCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path+".new", []byte("a part of what was to be wri"), 0o644); err != nil {
		t.Fatal(err)
	}
	v := vault.File(path)
	if _, _, err := v.Load(t.Context()); !errors.Is(err, vault.ErrAbsent) {
		t.Errorf("got %v", err)
	}
	if err := v.Store(t.Context(), []byte("one"), ""); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(path + ".new"); !os.IsNotExist(err) {
		t.Errorf("beside the file: %v", err)
	}
}

// A key that anybody may read is worth nothing.
func TestFileOpenToAll(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such bits")
	}
	for mode, taken := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o660: true, 0o604: false, 0o666: false} {
		path := filepath.Join(t.TempDir(), "keys.json")
		v := vault.File(path)
		if err := v.Store(t.Context(), []byte("secret"), ""); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := v.Load(t.Context())
		if (err == nil) != taken || err != nil && (!strings.Contains(err.Error(), "chmod 600") || !strings.Contains(err.Error(), path)) {
			t.Errorf("%v: got %v", mode, err)
		}
	}
}

// Of several that replace one version one succeeds.
func TestFileTogether(t *testing.T) {
	v := vault.File(filepath.Join(t.TempDir(), "keys.json"))
	for round := range 5 {
		version := ""
		if round > 0 {
			var err error
			if _, version, err = v.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var won atomic.Int32
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				err := v.Store(t.Context(), fmt.Appendf(nil, "%d %d", round, i), version)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, vault.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 {
			t.Errorf("round %d: %d succeeded", round, won.Load())
		}
	}
}
