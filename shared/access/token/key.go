package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"
)

// A PublicKey verifies tokens.
type PublicKey struct {
	// ID is the header kid of what the key signs. It is derived from the key.
	ID  string            `json:"id"`
	Key ed25519.PublicKey `json:"key"`
	// From is when the key begins to sign. It verifies before, since clocks
	// differ.
	From time.Time `json:"from"`
	// Until is when it no longer verifies. Zero means that no end is known yet.
	Until time.Time `json:"until,omitzero"`
}

// ended says whether a key no longer verifies.
func (k PublicKey) ended(now time.Time) bool { return !k.Until.IsZero() && !now.Before(k.Until) }

// A PrivateKey signs tokens. Its JSON has the secret, its String and what is
// logged of it have not.
type PrivateKey struct {
	PublicKey
	Seed []byte `json:"seed"`
}

// Generate draws a key that signs from a time on, without an end.
func Generate(from time.Time) (PrivateKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("generate a key: %w", err)
	}
	return PrivateKey{PublicKey: PublicKey{ID: idOf(public), Key: public, From: from}, Seed: private.Seed()}, nil
}

// idWidth is how much of the hash names a key, in bytes: two never share it by
// chance, and nobody can add one by intent.
const idWidth = 8

func idOf(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:idWidth])
}

// Check says whether what was read is a key as Generate makes it.
func (k PrivateKey) Check() error {
	if len(k.Seed) != ed25519.SeedSize || !k.private().Public().(ed25519.PublicKey).Equal(k.Key) || k.ID != idOf(k.Key) {
		return fmt.Errorf("key %q does not fit together", k.ID)
	}
	return nil
}

func (k PrivateKey) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.Seed) }

// String names the key.
func (k PrivateKey) String() string { return "key " + k.ID }

// GoString is String: %#v would print the secret.
func (k PrivateKey) GoString() string { return k.String() }

// LogValue is the key's name.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
