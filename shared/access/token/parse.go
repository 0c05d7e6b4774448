package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that are taken. The header has no say in it: "none", or
// an HMAC with a public key for its secret, is no token.
var algorithms = []jose.SignatureAlgorithm{jose.EdDSA}

// header is all that the header of a token has, in the order in which it is
// written.
type header struct {
	Algorithm string `json:"alg"`
	Key       string `json:"kid"`
	Type      string `json:"typ"`
}

// parse reads a token of a type as sign writes it, and to the byte: there is no
// second text for a token, and no header that means something to somebody. Its
// signature is not looked at.
func parse(raw, typ string) (signed *jose.JSONWebSignature, key string, err error) {
	h, ok := parseHeader(raw)
	if !ok {
		return nil, "", invalid("its header is not one of this registry")
	}
	if h.Type != typ {
		return nil, "", invalid("it is of another type")
	}
	signed, err = jose.ParseSignedCompact(raw, algorithms)
	if err != nil { // which quotes the token
		return nil, "", invalid("it is not signed as this registry does")
	}
	if text, err := signed.CompactSerialize(); err != nil || text != raw {
		return nil, "", invalid("it is written otherwise than here")
	}
	return signed, h.Key, nil
}

func parseHeader(raw string) (h header, ok bool) {
	encoded, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(text, &h) != nil {
		return h, false
	}
	again, err := json.Marshal(h)
	return h, err == nil && bytes.Equal(text, again)
}
