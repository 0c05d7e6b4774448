package oci_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func TestParseDigest(t *testing.T) {
	hex64, hex128 := strings.Repeat("0a", 32), strings.Repeat("0a", 64)
	for s, ok := range map[string]bool{
		"sha256:" + hex64:                  true,
		"sha512:" + hex128:                 true,
		"sha256:" + hex128:                 false,
		"sha512:" + hex64:                  false,
		"sha256:" + strings.ToUpper(hex64): false,
		"sha256:" + hex64 + "\n":           false,
		"SHA256:" + hex64:                  false,
		"blake3:" + hex64:                  false,
		"sha256:totallywrong":              false,
		"sha256:":                          false,
		":":                                false,
		"":                                 false,
		hex64:                              false,
	} {
		d, err := oci.ParseDigest(s)
		if ok != (err == nil) {
			t.Errorf("ParseDigest(%q) = %v, want success %v", s, err, ok)
		}
		if err != nil && !errors.Is(err, oci.ErrDigestInvalid) {
			t.Errorf("ParseDigest(%q) = %v, want DIGEST_INVALID", s, err)
		}
		if err == nil && string(d) != s {
			t.Errorf("ParseDigest(%q) = %q", s, d)
		}
	}
}

func TestSum(t *testing.T) {
	for a, want := range map[oci.Algorithm]string{
		oci.SHA256: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		oci.SHA512: "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
			"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
	} {
		if got := a.Sum(nil); string(got) != want {
			t.Errorf("%s of nothing = %s, want %s", a, got, want)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"latest", "sha256:" + strings.Repeat("0", 64), "sha256:x", "a@sha256:0", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := oci.ParseReference(s)
		if err != nil {
			return
		}
		if ref.String() != s {
			t.Errorf("ParseReference(%q) prints as %q", s, ref)
		}
		if (ref.Tag == "") == (ref.Digest == "") {
			t.Errorf("ParseReference(%q) = %+v, want a tag or a digest", s, ref)
		}
	})
}
