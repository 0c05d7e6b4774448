package main

import (
	"os"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/layout"
)

func TestPlaces(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, folder := range []string{"there", "host/app", "odd:1"} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const digest = "sha256:" + fill
	for text, want := range map[string]place{
		"there":                          {path: "there"},
		"there:1":                        {path: "there", name: "1", tag: "1"},
		"not-there":                      {path: "not-there"},
		"host/app":                       {path: "host/app"},
		"host/app:1":                     {path: "host/app", name: "1", tag: "1"},
		"odd:1":                          {path: "odd:1"},
		"./layout:1":                     {path: "./layout", name: "1", tag: "1"},
		"/abs/x.tar@" + digest:           {path: "/abs/x.tar", digest: digest},
		"../x:1@" + digest:               {path: "../x", name: "1", tag: "1", digest: digest},
		"oci:a/b:1":                      {path: "a/b", format: layout.Folder, name: "1", tag: "1"},
		"oci-archive:a/b.tar":            {path: "a/b.tar", format: layout.OCIArchive},
		"docker-archive:x.tar:team/a:v1": {path: "x.tar", format: layout.DockerArchive, name: "team/a:v1", tag: "v1"},
	} {
		got, err := parsePlace(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"registry.test/team/app":        "registry.test/team/app||",
		"registry.test:5000/team/app:1": "registry.test:5000/team/app|1|",
		"docker://host/app":             "host/app||",
		"docker.io/library/alpine:3":    "docker.io/library/alpine|3|",
		"registry.test/app:1@" + digest: "registry.test/app|1|" + digest,
		"registry.test/app@" + digest:   "registry.test/app||" + digest,
		"not/there":                     "not/there||",
	} {
		p, err := parsePlace(text)
		if got := p.String() + "|" + p.tag + "|" + string(p.digest); err != nil || got != want || p.isFiles() {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"":                          "no path",
		"oci:":                      "no path",
		"./a:b c":                   "not a tag",
		"./a@sha256:0":              "not sha256",
		"registry.test/app@sha256:": "not sha256",
		"registry.test/App":         "reference",
	} {
		if _, err := parsePlace(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q in it", text, err, says)
		}
	}
}
