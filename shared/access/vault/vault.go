// Package vault keeps the private keys that sign tokens, and signs with them.
//
// Whoever can read a vault can make tokens of anybody, and whoever can write
// one as well; so nothing but what makes tokens has it. The public keys are
// published elsewhere, for whoever verifies.
package vault

import (
	"context"
	"errors"
)

// A Vault keeps one document, which is a secret. It is safe for concurrent use,
// by several processes too, unless an implementation says otherwise.
type Vault interface {
	// Load returns the document and its version, or ErrAbsent. It may be a
	// moment old: who builds on it finds out when they store.
	Load(ctx context.Context) (doc []byte, version string, err error)
	// Store replaces the document if its version is still ifVersion; "" means
	// that there must be none. Of several who replace one version one succeeds
	// and the others get ErrConflict. After any other error it may have happened
	// or not. The document has less than 4,000 bytes, all of them ASCII.
	Store(ctx context.Context, doc []byte, ifVersion string) error
}

// Errors that callers decide on.
var (
	ErrAbsent   = errors.New("nothing is kept in the vault yet")
	ErrConflict = errors.New("somebody else has written to the vault")
)
