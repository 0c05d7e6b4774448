package oci

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/opencontainers/go-digest"
)

// A Digest names bytes by their hash: "sha256:" and 64, or "sha512:" and 128,
// lower-case hexadecimal digits (image-spec, "Digests"). Values from
// ParseDigest and Sum are well formed.
type Digest = digest.Digest

// An Algorithm is a hash that digests may use.
type Algorithm string

// The algorithms that Berth takes.
const (
	SHA256 Algorithm = "sha256"
	SHA512 Algorithm = "sha512"
)

// ParseAlgorithm reads the name of an algorithm. Errors are ErrDigestInvalid.
func ParseAlgorithm(s string) (Algorithm, error) {
	switch a := Algorithm(s); a {
	case SHA256, SHA512:
		return a, nil
	}
	return "", ErrDigestInvalid.With(map[string]string{"algorithm": Clip(s)},
		"digest algorithm %q is not supported, use sha256 or sha512", Clip(s))
}

// Hash returns a new running hash. Its state can be marshalled.
func (a Algorithm) Hash() hash.Hash {
	if a == SHA512 {
		return sha512.New()
	}
	return sha256.New()
}

// Digest returns the digest of what h, a hash of this algorithm, has read.
func (a Algorithm) Digest(h hash.Hash) Digest {
	return Digest(string(a) + ":" + hex.EncodeToString(h.Sum(nil)))
}

// Sum returns the digest of body.
func (a Algorithm) Sum(body []byte) Digest {
	h := a.Hash()
	h.Write(body)
	return a.Digest(h)
}

// AlgorithmOf returns the algorithm of a well-formed digest.
func AlgorithmOf(d Digest) Algorithm {
	a, _, _ := strings.Cut(string(d), ":")
	return Algorithm(a)
}

// ParseDigest reads a digest. Errors are ErrDigestInvalid.
func ParseDigest(s string) (Digest, error) {
	name, encoded, ok := strings.Cut(s, ":")
	if !ok {
		return "", ErrDigestInvalid.With(map[string]string{"digest": Clip(s)}, "%q is not a digest", Clip(s))
	}
	a, err := ParseAlgorithm(name)
	if err != nil {
		return "", err
	}
	if !isHex(encoded, 2*a.size()) {
		return "", ErrDigestInvalid.With(map[string]string{"digest": Clip(s)},
			"%q is not %s: and %d lower-case hexadecimal digits", Clip(s), a, 2*a.size())
	}
	return Digest(s), nil
}

func (a Algorithm) size() int {
	if a == SHA512 {
		return sha512.Size
	}
	return sha256.Size
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Clip keeps a stranger's text short enough to be said again in an error.
func Clip(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
