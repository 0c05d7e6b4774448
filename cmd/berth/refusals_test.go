package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
)

// What went wrong is said with the registry's words, and without what is secret.
func TestErrorsOfACopyAreReadable(t *testing.T) {
	at := func(text string) *url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	from, err := parsePlace("source.test/app:1")
	if err != nil {
		t.Fatal(err)
	}
	to, err := parsePlace("target.test:5000/app:1")
	if err != nil {
		t.Fatal(err)
	}
	c := &copying{copyFlags: copyFlags{Platform: []string{"linux/arm64"}}, from: from, to: to}
	refusal := func(host string, status int, errs ...errcode.Error) error {
		return &errcode.ErrorResponse{Method: http.MethodPut, URL: at("https://" + host + "/v2/app/blobs/uploads/x?_state=SECRET"), StatusCode: status, Errors: errs}
	}
	lacks := refusal("target.test:5000", 400, errcode.Error{Code: "MANIFEST_BLOB_UNKNOWN", Message: "no such thing", Detail: "many words"})
	for _, c2 := range []struct {
		err  error
		says string
	}{
		{
			refusal("target.test:5000", 403, errcode.Error{Code: "DENIED", Message: "not you"}, errcode.Error{Code: "UNSUPPORTED"}),
			"put it: target.test:5000 answered 403 DENIED: not you; UNSUPPORTED",
		},
		{refusal("target.test:5000", 502), "put it: target.test:5000 answered 502 Bad Gateway"},
		{
			refusal("target.test:5000", 401, errcode.Error{Code: "UNAUTHORIZED", Message: "who\x1b[2J"}),
			"put it: target.test:5000 answered 401 UNAUTHORIZED: who?[2J\nto log in: berth login target.test:5000",
		},
		{
			refusal("tokens.test", 401),
			"put it: tokens.test answered 401 Unauthorized\nto log in: berth login source.test, or berth login target.test:5000",
		},
		{
			&url.Error{Op: "Get", URL: "https://store.test/key?X-Amz-Signature=SECRET", Err: errors.New("connection refused")},
			"put it: store.test: no answer: connection refused",
		},
		{
			&mirror.SparseError{Index: oci.SHA256.Sum(nil), Left: 2, Err: lacks},
			"put it: target.test:5000 answered 400 MANIFEST_BLOB_UNKNOWN: no such thing; the registry wants all that the index lists, " +
				"and 2 of that was not copied\na Berth takes such an index if its settings say, for this repository, indexes: none, " +
				"or indexes: {platforms: [linux/arm64]}; without --platform all is copied",
		},
		{errors.New(strings.Repeat("x", 5000)), "put it: " + strings.Repeat("x", maxSentence-len("put it: ")) + "…"},
	} {
		got := c.explain(fmt.Errorf("put it: %w", c2.err)).Error()
		if got != c2.says {
			t.Errorf("got %q, want %q", got, c2.says)
		}
		if strings.Contains(got, "SECRET") {
			t.Errorf("a secret is said: %q", got)
		}
	}
}
