package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The bounds of a secret, in bytes, which are those of Standard Webhooks
// ("Signature scheme").
const (
	minSecret = 24
	maxSecret = 64
)

// maxSecrets is how many secrets an event is signed with. Two are enough for the
// day on which one takes the place of the other.
const maxSecrets = 4

// maxSecretFile bounds what is read of a file with secrets, in bytes.
const maxSecretFile = 4 << 10

// secretPrefix marks a secret that is written in base64.
const secretPrefix = "whsec_"

// A Secret is what sender and receiver of a webhook share.
type Secret struct{ key []byte }

// String keeps a secret out of logs.
func (Secret) String() string { return "(a secret)" }

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// ParseSecrets reads secrets, one a line: whsec_ and base64, or else the bytes of
// the line as they are. Empty lines are left out. Errors do not repeat what they
// are about.
func ParseSecrets(text []byte) ([]Secret, error) {
	var secrets []Secret
	for number, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		s, err := parseSecret(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		secrets = append(secrets, s)
	}
	switch {
	case len(secrets) == 0:
		return nil, errors.New("there is no secret in it")
	case len(secrets) > maxSecrets:
		return nil, fmt.Errorf("there are more than %d secrets in it", maxSecrets)
	}
	return secrets, nil
}

func parseSecret(line string) (Secret, error) {
	key := []byte(line)
	if text, ok := strings.CutPrefix(line, secretPrefix); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return Secret{}, fmt.Errorf("what comes after %s is not base64", secretPrefix)
		}
	} else if strings.ContainsFunc(line, unicode.IsSpace) {
		return Secret{}, errors.New("a secret has no space in it")
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, fmt.Errorf("a secret of %d bytes; it has %d to %d", len(key), minSecret, maxSecret)
	}
	return Secret{key}, nil
}

// ReadSecrets reads the file with the secrets of a hook. See ParseSecrets.
func ReadSecrets(path string) ([]Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	if len(text) > maxSecretFile {
		return nil, fmt.Errorf("read the secret: %s is larger than %d bytes", path, maxSecretFile)
	}
	secrets, err := ParseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("read the secret in %s: %w", path, err)
	}
	return secrets, nil
}

// signature is the value of webhook-signature: one for each secret, so that a
// receiver may know either while one takes the place of the other.
func signature(secrets []Secret, id string, at time.Time, body []byte) string {
	var all []string
	for _, s := range secrets {
		mac := hmac.New(sha256.New, s.key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}
