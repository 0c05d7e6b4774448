package berth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake writes a program that stands for berth and does what the script says.
func fake(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "berth")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestStartSaysWhyItFailed(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"ends at once", "echo the folder is taken; exit 3", "the folder is taken"},
		{"listens nowhere", "echo ready on 127.0.0.1:1; exec sleep 60", "connection refused"},
	}
	for _, tt := range tests {
		server, err := Start(t.Context(), fake(t, tt.script), t.TempDir())
		if err == nil {
			server.Kill()
			t.Fatalf("%s: got no error", tt.name)
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, want it to say %q", tt.name, err, tt.want)
		}
	}
}

func TestOutputKeepsTheEnd(t *testing.T) {
	o := &output{changed: make(chan struct{}, 1)}
	for range keep {
		o.Write([]byte("line\n"))
	}
	o.Write([]byte("last"))
	got := o.String()
	if len(got) != keep || !strings.HasSuffix(got, "line\nlast") {
		t.Errorf("got %d bytes that end in %q, want %d that end in the last line", len(got), got[len(got)-9:], keep)
	}
}
