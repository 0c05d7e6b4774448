// Package oci is the vocabulary of the distribution specification: names,
// tags, digests, descriptors, manifests and error codes, as values that parse
// and print. It does no input or output and knows no other package of Berth.
//
// Sections cited as "spec" are those of the OCI distribution specification,
// those as "image-spec" of the OCI image format specification.
package oci
