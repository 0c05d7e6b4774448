package login

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A hash is what is kept of a password.
type hash interface {
	// matches says whether this is the hash of a password. It takes long.
	matches(password string) bool
}

var errHash = errors.New("the hash is neither bcrypt's ($2a$, $2b$, $2y$) nor a PHC string of argon2id; make one with htpasswd -B")

// parseHash reads a hash as it is written in a file.
func parseHash(text string) (hash, error) {
	if id, _, _ := strings.Cut(strings.TrimPrefix(text, "$"), "$"); strings.HasPrefix(text, "$") {
		switch id {
		case "2a", "2b", "2y":
			return parseBcrypt(text)
		case "argon2id":
			return parseArgon(text)
		}
	}
	return nil, errHash
}

type bcryptHash []byte

// maxCost is about a second. More would be a way to keep a machine busy.
const (
	maxCost      = 14
	bcryptLength = 60
	bcryptDigits = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

func parseBcrypt(text string) (hash, error) {
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil || len(text) != bcryptLength || strings.Trim(text[len("$2a$10$"):], bcryptDigits) != "":
		return nil, errors.New("this is no hash of bcrypt")
	case cost > maxCost:
		return nil, fmt.Errorf("bcrypt of cost %d: at most %d", cost, maxCost)
	}
	return bcryptHash(text), nil
}

func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword(h, []byte(password)) == nil
}

// argonHash is a hash of argon2id (RFC 9106).
type argonHash struct {
	memory    uint32 // KiB
	time      uint32 // passes
	threads   uint8
	salt, key []byte
}

// Bounds of argon2id. The memory is held once for each hash that is being
// computed.
const (
	maxMemory  = 256 << 10 // KiB
	maxTime    = 16
	maxThreads = 16
)

// parseArgon reads a PHC string:
//
//	$argon2id$v=19$m=65536,t=3,p=4$<salt>$<key>
//
// with salt and key in base64 without padding.
func parseArgon(text string) (hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, fmt.Errorf("a hash of argon2id is $argon2id$v=%d$m=..,t=..,p=..$salt$key", argon2.Version)
	}
	var h argonHash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.time, h.threads) {
		return nil, errors.New("the parameters of argon2id are m, t and p, in that order")
	}
	if h.memory < 8*uint32(h.threads) || h.memory > maxMemory || h.time < 1 || h.time > maxTime || h.threads < 1 || h.threads > maxThreads {
		return nil, fmt.Errorf("argon2id takes up to m=%d, t=%d, p=%d here, and m is at least 8 p", maxMemory, maxTime, maxThreads)
	}
	var errSalt, errKey error
	h.salt, errSalt = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.key, errKey = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.key) < 16 || len(h.key) > 64 {
		return nil, errors.New("argon2id wants a salt of 8 to 64 bytes and a key of 16 to 64, in base64 without padding")
	}
	return h, nil
}

func (h argonHash) matches(password string) bool {
	key := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}
