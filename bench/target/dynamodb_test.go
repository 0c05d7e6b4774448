package target_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/bench/target"
)

// engine is a DynamoDB with one table that holds one item.
func engine(t *testing.T) *target.DynamoDB {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") == "" {
			http.Error(w, "MissingAuthenticationToken", http.StatusBadRequest)
			return
		}
		switch action := r.Header.Get("X-Amz-Target"); {
		case action == "DynamoDB_20120810.ListTables":
			io.WriteString(w, `{"TableNames":["items"]}`)
		case action != "DynamoDB_20120810.GetItem" || !strings.Contains(string(body), `"ConsistentRead":true`):
			http.Error(w, "UnknownOperationException", http.StatusBadRequest)
		case strings.Contains(string(body), `"Key":{"pk":{"S":"repo#a"},"sk":{"S":"manifest#b"}}`):
			io.WriteString(w, `{"Item":{"pk":{"S":"repo#a"}}}`)
		default:
			io.WriteString(w, `{}`)
		}
	}))
	t.Cleanup(s.Close)
	at, err := target.At("DynamoDB", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &target.DynamoDB{Target: at}
}

func TestTables(t *testing.T) {
	got, err := engine(t).Tables(t.Context())
	if err != nil || len(got) != 1 || got[0] != "items" {
		t.Errorf("got %q, %v; want items", got, err)
	}
}

func TestItemIsReadAgainAndAgain(t *testing.T) {
	db := engine(t)
	l, err := db.GetItem(t.Context(), "items", "repo#a", "manifest#b")
	if err != nil {
		t.Fatal(err)
	}
	l.Addr, l.Connections, l.Duration = db.Host(), 3, 50*time.Millisecond
	got, err := l.Run(t.Context()) // which fails unless each answer is as long as the first
	if err != nil || got.Requests <= 3 {
		t.Errorf("got %d requests, %v", got.Requests, err)
	}
	if _, err := db.GetItem(t.Context(), "items", "repo#a", "manifest#c"); err == nil || !strings.Contains(err.Error(), "not there") {
		t.Errorf("an item that is not there was read: %v", err)
	}
}

func TestEngineThatDoesNotStart(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "scripts", "services")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho the engine is for Linux only >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "dynamodb"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := target.StartDynamoDB(t.Context(), root, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "for Linux only") {
		t.Errorf("got %v, want what it printed", err)
	}
}

func TestCloudThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	_, err := target.Cloud(t.Context(), "cloud", cloudThatFails(t), dir, engine(t), dir)
	if err == nil || !strings.Contains(err.Error(), cannot) || !strings.Contains(err.Error(), "start cloud") {
		t.Errorf("got %v, want what it printed", err)
	}
}

// cloudThatFails is a program that can't read its template.
func cloudThatFails(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "localcloud")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+cannot+" >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
