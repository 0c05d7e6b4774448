package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/cmd/berth/workload"
)

// What Docker's tools send, and what they are to read: they know errors by
// their text, on standard output.
func TestProtocol(t *testing.T) {
	folder := t.TempDir()
	notes := workload.NotesIn(folder)
	gitlab := workload.Source{Kind: workload.GitLab, Variable: "TOKEN"}
	if err := errors.Join(
		notes.Put("registry.example.com", gitlab),
		notes.Put("other.example.com", workload.Source{Kind: workload.GitLab, Variable: "NOT_SET"}),
		notes.Put("aws.example.com", workload.Source{Kind: workload.AWS, Audience: "aws.example.com"}),
	); err != nil {
		t.Fatal(err)
	}
	const notFound = "credentials not found in native keychain\n"
	for _, c := range []struct {
		args, in string
		status   int
		out      string
	}{
		{"get", "registry.example.com", 0, `{"ServerURL":"registry.example.com","Username":"oidc","Secret":"a.b.c"}` + "\n"},
		{"get", "https://registry.example.com/\n", 0, `{"ServerURL":"https://registry.example.com/","Username":"oidc","Secret":"a.b.c"}` + "\n"},
		{"get", "docker.io", 1, notFound},
		{"get", "https://index.docker.io/v1/", 1, notFound},
		{"get", "", 1, "no credentials server URL\n"},
		{"get", "other.example.com", 1, "the variable NOT_SET is not set: the job has to name it under id_tokens\n"},
		{"list", "", 0, `{"aws.example.com":"aws","other.example.com":"oidc","registry.example.com":"oidc"}` + "\n"},
		{"store", `{"ServerURL":"registry.example.com","Username":"u","Secret":"p"}`, 1,
			"credentials for registry.example.com are made when they are needed and cannot be stored; " +
				"take registry.example.com out of credHelpers in Docker's config.json to log in with a password\n"},
		{"store", "nonsense", 1, "no credentials server URL\n"},
		{"erase", "https://other.example.com", 0, ""},
		{"erase", "https://other.example.com", 0, ""}, // again is no error
		{"erase", "", 1, "no credentials server URL\n"},
		{"get", "other.example.com", 1, notFound},
		{"", "", 1, "usage: docker-credential-berth <erase|get|list|store|version>\n"},
		{"get get", "", 1, "usage: docker-credential-berth <erase|get|list|store|version>\n"},
		{"steal", "", 1, "unknown credential action \"steal\"\n"},
	} {
		status, out := run(t, folder, c.args, c.in)
		if status != c.status || out != c.out {
			t.Errorf("%s < %q:\n got %d, %q\nwant %d, %q", c.args, c.in, status, out, c.status, c.out)
		}
	}
	if status, out := run(t, folder, "version", ""); status != 0 || !strings.HasPrefix(out, "docker-credential-berth (") {
		t.Errorf("version: got %d, %q", status, out)
	}
}

func run(t *testing.T, folder, args, in string) (int, string) {
	t.Helper()
	var out strings.Builder
	h := helper{
		in: strings.NewReader(in), out: &out,
		folder: func() (string, error) { return folder, nil },
		machine: workload.Machine{
			Getenv: func(name string) string { return map[string]string{"TOKEN": "a.b.c"}[name] },
			HTTP:   &http.Client{},
			AWS:    func(context.Context) (aws.Config, error) { return aws.Config{}, errors.New("not here") },
		},
	}
	return h.run(t.Context(), strings.Fields(args)), out.String()
}

func TestNoFolderIsAnError(t *testing.T) {
	var out strings.Builder
	h := helper{in: strings.NewReader("x"), out: &out, folder: func() (string, error) { return "", errors.New("no home") }}
	if status := h.run(t.Context(), []string{"get"}); status != 1 || out.String() != "no home\n" {
		t.Errorf("got %d, %q", status, out.String())
	}
}
