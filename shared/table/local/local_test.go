package local_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func open(t *testing.T) *local.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "table.db"))
}

func openAt(t *testing.T, path string) *local.Store {
	t.Helper()
	s, err := local.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	tabletest.Run(t, func(t *testing.T) table.Store { return open(t) })
}

func TestStreamContract(t *testing.T) {
	tabletest.RunStream(t, func(t *testing.T) (table.Store, table.Stream) {
		s := open(t)
		return s, s
	})
}
