package oci_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func TestErrorKinds(t *testing.T) {
	err := error(oci.ErrOutOfOrder.With(nil, "at %d", 7))
	if !errors.Is(err, oci.ErrOutOfOrder) || errors.Is(err, oci.ErrUploadInvalid) {
		t.Errorf("%v is not of its kind, or of another with the same code", err)
	}
	again := oci.ErrOutOfOrder.With(nil, "a").With(nil, "b")
	if !errors.Is(again, oci.ErrOutOfOrder) || again.Kind() != oci.ErrOutOfOrder {
		t.Errorf("%v lost its kind", again)
	}
	many := fmt.Errorf("push: %w", oci.Errors{oci.ErrManifestBlobUnknown.With(nil, "a"), oci.ErrManifestBlobUnknown.With(nil, "b")})
	if !errors.Is(many, oci.ErrManifestBlobUnknown) {
		t.Errorf("%v hides its kind", many)
	}
	if !errors.Is(oci.ErrDenied, oci.ErrDenied) {
		t.Error("a kind is not itself")
	}
}
