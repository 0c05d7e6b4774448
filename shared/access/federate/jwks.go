package federate

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

const maxKeys = 100 // of one issuer

// keyDocument is a JSON Web Key Set (RFC 7517, section 5).
type keyDocument struct {
	Keys []json.RawMessage `json:"keys"`
}

// usable returns the keys that tokens can be verified with. What it does not
// know it leaves out: an issuer may publish keys for other uses.
func (d keyDocument) usable() ([]jose.JSONWebKey, error) {
	if len(d.Keys) > maxKeys {
		return nil, fmt.Errorf("there are %d keys, at most %d are taken", len(d.Keys), maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range d.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && verifies(key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// verifies reports whether a key is a public one for signatures.
func verifies(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	switch key.Key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return key.Valid()
	}
	return false
}
