package workload_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/berthregistry/berth/cmd/berth/workload"
)

// machine is one with these variables, and credentials of AWS.
func machine(env map[string]string) workload.Machine {
	return workload.Machine{
		Getenv: func(name string) string { return env[name] },
		HTTP:   &http.Client{},
		AWS: func(context.Context) (aws.Config, error) {
			return aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "a secret", "")}, nil
		},
	}
}

// github is what a job finds, and what it was asked.
func github(t *testing.T, answer http.HandlerFunc) (env map[string]string) {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return map[string]string{
		"ACTIONS_ID_TOKEN_REQUEST_URL":   s.URL + "/token?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer of the job",
	}
}

func TestGitHubMakesAToken(t *testing.T) {
	env := github(t, func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.Header.Get("Authorization"), "Bearer bearer of the job"; got != want {
			t.Errorf("Authorization: got %q, want %q", got, want)
		}
		if got := r.URL.Query(); got.Get("audience") != "registry.example.com" || got.Get("api-version") != "2.0" {
			t.Errorf("asked with %v", got)
		}
		_, _ = w.Write([]byte(`{"count":1,"value":"a.b.c"}`))
	})
	got, err := machine(env).Credentials(t.Context(), workload.Source{Kind: workload.GitHub, Audience: "registry.example.com"})
	if want := (workload.Credentials{User: "oidc", Secret: "a.b.c"}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// The job's own token is worth more than what it fetches.
func TestGitHubsErrorsHaveNoSecrets(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request went where it was redirected to")
	}))
	t.Cleanup(elsewhere.Close)
	for name, answer := range map[string]http.HandlerFunc{
		"an error":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"no token":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"a large one": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"value":"` + strings.Repeat("x", 20<<10) + `"}`))
		},
		"a hung up on": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		env := github(t, answer)
		got, err := machine(env).Credentials(t.Context(), workload.Source{Kind: workload.GitHub, Audience: "r"})
		if err == nil || strings.Contains(err.Error(), "bearer of the job") || strings.Contains(err.Error(), "/token") {
			t.Errorf("%s: got %v, %v, want an error without secrets", name, got, err)
		}
	}
	for _, where := range []string{"", "http://example.com/", "ftp://127.0.0.1/", "https://%zz"} {
		env := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": where, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}
		if _, err := machine(env).Credentials(t.Context(), workload.Source{Kind: workload.GitHub, Audience: "r"}); err == nil {
			t.Errorf("a token was asked for at %q", where)
		}
	}
}

func TestTokensThatAreThereAlready(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a.b.c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := machine(map[string]string{"BERTH_ID_TOKEN": "d.e.f"})
	for want, s := range map[string]workload.Source{
		"a.b.c": {Kind: workload.File, File: file},
		"d.e.f": {Kind: workload.GitLab, Variable: "BERTH_ID_TOKEN"},
	} {
		got, err := m.Credentials(t.Context(), s)
		if err != nil || got.User != "oidc" || got.Secret != want {
			t.Errorf("%s: got %v, %v, want %s", s.Kind, got, err, want)
		}
	}

	// A projected token is replaced while the pod runs.
	if err := os.WriteFile(file, []byte("g.h.i"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Credentials(t.Context(), workload.Source{Kind: workload.File, File: file}); err != nil || got.Secret != "g.h.i" {
		t.Errorf("after it was replaced: got %v, %v", got, err)
	}
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []workload.Source{
		{Kind: workload.File, File: file},
		{Kind: workload.File, File: file + "x"},
		{Kind: workload.GitLab, Variable: "OTHER"},
		{Kind: "pigeon"},
	} {
		if got, err := m.Credentials(t.Context(), s); err == nil {
			t.Errorf("%v: got %v, want an error", s, got)
		}
	}
}

// A request is signed without a region, too.
func TestAWSSignsARequest(t *testing.T) {
	got, err := machine(nil).Credentials(t.Context(), workload.Source{Kind: workload.AWS, Audience: "registry.example.com"})
	if err != nil || got.User != "aws" {
		t.Fatalf("got %v, %v", got, err)
	}
	text, err := base64.RawURLEncoding.DecodeString(got.Secret)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Host != "sts.us-east-1.amazonaws.com" || u.Query().Get("X-Amz-SignedHeaders") != "host;x-berth-registry" {
		t.Errorf("got a request to %v, %v", u, err)
	}
}

func TestNotes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made")
	n := workload.NotesIn(folder)
	if _, err := n.Source("registry.example.com"); !errors.Is(err, workload.ErrUnknown) {
		t.Errorf("without a file: got %v, want %v", err, workload.ErrUnknown)
	}
	s := workload.Source{Kind: workload.AWS, Audience: "registry.example.com"}
	for _, host := range []string{"registry.example.com", "127.0.0.1:5000"} {
		if err := n.Put(host, s); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"registry.example.com", "Registry.Example.com", "https://registry.example.com", "https://registry.example.com/v2/", "http://127.0.0.1:5000",
	} {
		if got, err := n.Source(name); err != nil || got != s {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	// A name that only begins or ends like it is somebody else's.
	for _, name := range []string{"registry.example.com.evil.test", "evil.test/registry.example.com", "registry.example.com:8443", "127.0.0.1", ""} {
		if got, err := n.Source(name); !errors.Is(err, workload.ErrUnknown) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, workload.ErrUnknown)
		}
	}
	if err := errors.Join(n.Delete("https://registry.example.com/"), n.Delete("never.there")); err != nil {
		t.Fatal(err)
	}
	left, err := n.Registries()
	if want := map[string]workload.Source{"127.0.0.1:5000": s}; err != nil || !maps.Equal(left, want) {
		t.Errorf("left are %v, %v, want %v", left, err, want)
	}
	for _, damaged := range []string{"{", `{"registries":{"r":{"source":"file"}}}`} {
		if err := os.WriteFile(filepath.Join(folder, "berth.json"), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := n.Source("r"); err == nil || errors.Is(err, workload.ErrUnknown) {
			t.Errorf("%s: got %v, %v, want an error that says so", damaged, got, err)
		}
	}
}

// Docker's file has passwords, and settings that this program has never heard
// of.
func TestDockersConfigurationKeepsAllElse(t *testing.T) {
	folder := t.TempDir()
	dotfiles := filepath.Join(t.TempDir(), "docker.json")
	before := `{"auths":{"a.test":{"auth":"dTpw"}},"credHelpers":{"b.test":"pass"},"HttpHeaders":{"X":"1"},"plugins":{"n":{"k":12345678901234567890}}}`
	if err := os.WriteFile(dotfiles, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "config.json")
	if err := os.Symlink(dotfiles, path); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := workload.UseHelper(folder, "registry.example.com"); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(dotfiles)
	if err != nil {
		t.Fatal(err)
	}
	compact := strings.NewReplacer("\n", "", "\t", "", " ", "").Replace(string(text))
	want := `{"HttpHeaders":{"X":"1"},"auths":{"a.test":{"auth":"dTpw"}},"credHelpers":{"b.test":"pass","registry.example.com":"berth"},"plugins":{"n":{"k":12345678901234567890}}}`
	if compact != want {
		t.Errorf("got  %s\nwant %s", compact, want)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("permissions: got %v, %v, want as they were", info.Mode(), err)
	}
	left, err := filepath.Glob(dotfiles + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDockersConfigurationIsMade(t *testing.T) {
	for name, before := range map[string]string{"none": "", "null": "null", "null helpers": `{"credHelpers":null}`} {
		folder := filepath.Join(t.TempDir(), "new")
		path := filepath.Join(folder, "config.json")
		if before != "" {
			if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(path, []byte(before), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := workload.UseHelper(folder, "r.test"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got struct{ CredHelpers map[string]string }
		text, err := os.ReadFile(path)
		if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil || got.CredHelpers["r.test"] != "berth" {
			t.Errorf("%s: got %s, %v", name, text, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: permissions: got %v, %v", name, info.Mode(), err)
		}
	}
}

// A file that cannot be read is not replaced by one that has forgotten it all.
func TestADamagedConfigurationStays(t *testing.T) {
	for _, damaged := range []string{`{"auths":`, `[]`, `{"credHelpers":["x"]}`} {
		folder := t.TempDir()
		path := filepath.Join(folder, "config.json")
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := workload.UseHelper(folder, "r.test"); err == nil {
			t.Errorf("%s: no error", damaged)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != damaged {
			t.Errorf("%s: now it is %s, %v", damaged, text, err)
		}
	}
}
