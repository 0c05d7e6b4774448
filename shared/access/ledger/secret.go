package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"
)

// An access key's id is "robot-" and 16 characters of base32, in lower case:
// the name of the key and no secret, but not to be guessed either.
const (
	idPrefix = "robot-"
	idLength = 16
	idDigits = "abcdefghijklmnopqrstuvwxyz234567"
)

func newID() string { return idPrefix + strings.ToLower(rand.Text()[:idLength]) }

// IsID says whether s looks like the id of an access key.
func IsID(s string) bool {
	digits, ok := strings.CutPrefix(s, idPrefix)
	return ok && len(digits) == idLength && strings.Trim(digits, idDigits) == ""
}

// A secret is "berth_", 32 random bytes in base62, and their CRC-32 in base62,
// as are the tokens of others: whoever scans code and logs for secrets knows
// one by its form, and by the sum that it is not a chance.
const (
	secretPrefix = "berth_"
	secretBytes  = 32
	secretDigits = 43 // of 32 bytes in base62
	sumDigits    = 6  // of 4 bytes in base62
)

func newSecret() string {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // it never fails
	body := base62(new(big.Int).SetBytes(random), secretDigits)
	return secretPrefix + body + sumOf(body)
}

func sumOf(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), sumDigits)
}

// base62 writes n with digits, lower and upper case letters, in that order,
// filled up with zeros.
func base62(n *big.Int, digits int) string {
	text := n.Text(62)
	return strings.Repeat("0", digits-len(text)) + text
}

// hashOf is what is kept of a secret. A plain hash will do: nobody goes through
// 2^256 secrets, however fast it is.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
