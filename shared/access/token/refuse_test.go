package token_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
)

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// write makes a token of any header and claims, and signs it as it is told.
func write(t testing.TB, header string, claims map[string]any, sign func(text string) []byte) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := encode(header) + "." + encode(string(payload))
	return text + "." + encode(string(sign(text)))
}

func (m *mint) claims() map[string]any {
	return map[string]any{
		"iss": "berth", "sub": "user:alice", "aud": service, "jti": "one",
		"iat": m.now.Unix(), "nbf": m.now.Unix(), "exp": m.now.Add(5 * time.Minute).Unix(),
		"who": map[string]any{"k": "user", "n": "alice"}, "access": []any{},
	}
}

func (m *mint) header(key token.PrivateKey) string {
	return fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"at+jwt"}`, key.ID)
}

func with(key token.PrivateKey) func(string) []byte {
	return func(text string) []byte { return ed25519.Sign(ed25519.NewKeyFromSeed(key.Seed), []byte(text)) }
}

func wantInvalid(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, token.ErrInvalid) {
		t.Errorf("%s: got %v, want ErrInvalid", what, err)
	}
}

// What is written by hand is as good as what the library writes, or the tests
// below would refuse for the wrong reason.
func TestByHand(t *testing.T) {
	m := newMint(t)
	if _, err := m.Verify(t.Context(), write(t, m.header(m.ring[0]), m.claims(), with(m.ring[0]))); err != nil {
		t.Fatal(err)
	}
}

func TestForgedHeaders(t *testing.T) {
	m := newMint(t)
	key := m.ring[0]
	none := func(string) []byte { return nil }
	public := func(text string) []byte { // the public key is no secret
		mac := hmac.New(sha256.New, key.Key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	for what, raw := range map[string]string{
		"alg none":            write(t, `{"alg":"none","kid":"`+key.ID+`","typ":"at+jwt"}`, m.claims(), none),
		"alg None":            write(t, `{"alg":"None","kid":"`+key.ID+`","typ":"at+jwt"}`, m.claims(), none),
		"no alg":              write(t, `{"alg":"","kid":"`+key.ID+`","typ":"at+jwt"}`, m.claims(), none),
		"EdDSA, no signature": write(t, m.header(key), m.claims(), none),
		"HS256, public key":   write(t, `{"alg":"HS256","kid":"`+key.ID+`","typ":"at+jwt"}`, m.claims(), public),
		"EdDSA, but an HMAC":  write(t, m.header(key), m.claims(), public),
		"typ JWT":             write(t, `{"alg":"EdDSA","kid":"`+key.ID+`","typ":"JWT"}`, m.claims(), with(key)),
		"typ in capitals":     write(t, `{"alg":"EdDSA","kid":"`+key.ID+`","typ":"AT+JWT"}`, m.claims(), with(key)),
		"no typ":              write(t, `{"alg":"EdDSA","kid":"`+key.ID+`"}`, m.claims(), with(key)),
		"no kid":              write(t, `{"alg":"EdDSA","typ":"at+jwt"}`, m.claims(), with(key)),
		"a key of its own":    write(t, `{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"AA"},"kid":"`+key.ID+`","typ":"at+jwt"}`, m.claims(), with(key)),
		"crit":                write(t, `{"alg":"EdDSA","crit":["b64"],"b64":false,"kid":"`+key.ID+`","typ":"at+jwt"}`, m.claims(), with(key)),
		"two kids":            write(t, `{"alg":"EdDSA","kid":"other","kid":"`+key.ID+`","typ":"at+jwt"}`, m.claims(), with(key)),
		"another order":       write(t, `{"typ":"at+jwt","alg":"EdDSA","kid":"`+key.ID+`"}`, m.claims(), with(key)),
	} {
		_, err := m.Verify(t.Context(), raw)
		wantInvalid(t, what, err)
	}
}

func TestForgedClaims(t *testing.T) {
	m := newMint(t)
	for what, change := range map[string]map[string]any{
		"another service":  {"aud": "other"},
		"several services": {"aud": []string{"other", service}},
		"no service":       {"aud": nil},
		"another issuer":   {"iss": "https://token.example.com"},
		"too long a life":  {"exp": m.now.Add(token.MaxLife + time.Second).Unix()},
		"no end":           {"exp": nil},
		"end before begin": {"exp": m.now.Add(-time.Second).Unix()},
		"issued tomorrow":  {"iat": m.now.Add(24 * time.Hour).Unix(), "exp": m.now.Add(24*time.Hour + time.Minute).Unix()},
		"not before":       {"nbf": m.now.Add(2 * time.Minute).Unix()},
		"who is a text":    {"who": "user:alice"},
		"far away":         {"iat": 1 << 62, "exp": 1<<62 + 60},
		"long ago":         {"iat": -1 << 62, "exp": 1 << 62},
	} {
		claims := m.claims()
		maps.Copy(claims, change)
		_, err := m.Verify(t.Context(), write(t, m.header(m.ring[0]), claims, with(m.ring[0])))
		wantInvalid(t, what, err)
	}
}

// A key has the right to its own id alone.
func TestForeignKeys(t *testing.T) {
	m := newMint(t)
	stranger, err := token.Generate(m.now)
	if err != nil {
		t.Fatal(err)
	}
	for what, header := range map[string]string{
		"a key of their own":       m.header(stranger),
		"their key, our id":        m.header(m.ring[0]),
		"an id that is a path":     `{"alg":"EdDSA","kid":"../../keys","typ":"at+jwt"}`,
		"an id that is a web page": `{"alg":"EdDSA","kid":"https://evil.example/jwks","typ":"at+jwt"}`,
		"an empty id":              `{"alg":"EdDSA","kid":"","typ":"at+jwt"}`,
	} {
		_, err := m.Verify(t.Context(), write(t, header, m.claims(), with(stranger)))
		wantInvalid(t, what, err)
	}
	second := m.add(t, m.now)
	m.known = m.kept
	_, err = m.Verify(t.Context(), write(t, m.header(second), m.claims(), with(m.ring[0])))
	wantInvalid(t, "one key of ours under the id of another", err)
	m.known[1].Key = m.known[1].Key[:5]
	_, err = m.Verify(t.Context(), write(t, m.header(second), m.claims(), with(second)))
	wantInvalid(t, "a key that was published in part", err)
}

// No kind of token is taken for the other, in both directions.
func TestKindsAreApart(t *testing.T) {
	m := newMint(t)
	who := access.Principal{Kind: access.User, Name: "alice"}
	refresh, err := m.ring.SignRefresh(token.Refresh{Principal: who, Service: service, Issued: m.now, Expires: m.now.Add(time.Minute)}, m.now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Verify(t.Context(), refresh)
	wantInvalid(t, "a refresh token as an access token", err)
	access := m.sign(t, m.alices())
	for range 2 {
		_, err = m.VerifyRefresh(t.Context(), access)
		wantInvalid(t, "an access token as a refresh token", err)
		if _, err := m.Verify(t.Context(), access); err != nil { // which remembers it
			t.Fatal(err)
		}
	}
}

func TestNoToken(t *testing.T) {
	m := newMint(t)
	good := m.sign(t, m.alices())
	if _, err := m.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	last := good[len(good)-1:]
	sibling := map[string]string{"A": "B", "Q": "R", "g": "h", "w": "x"}[last] // the last two bits are no part of the signature
	for what, raw := range map[string]string{
		"nothing":          "",
		"two dots":         "..",
		"spaces":           " " + good,
		"a new line":       good + "\n",
		"a line in it":     parts[0] + ".\n" + parts[1] + "." + parts[2],
		"padding":          good + "=",
		"without an end":   good[:len(good)-1],
		"another end":      good[:len(good)-1] + sibling,
		"without claims":   parts[0] + ".." + parts[2],
		"a fourth part":    good + ".x",
		"JSON":             `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"a long text":      strings.Repeat("x", 1<<20),
		"good, and longer": good + strings.Repeat("A", 8<<10),
	} {
		_, err := m.Verify(t.Context(), raw)
		wantInvalid(t, what, err)
		_, err = m.VerifyRefresh(t.Context(), raw)
		wantInvalid(t, what+", to refresh", err)
	}
	for i := range len(good) {
		if _, err := m.Verify(t.Context(), good[:i]); !errors.Is(err, token.ErrInvalid) {
			t.Fatalf("the first %d bytes: got %v", i, err)
		}
	}
}

// What is said of a token that is refused has nothing of the token in it.
func TestErrorsRepeatNothing(t *testing.T) {
	m := newMint(t)
	const secret = "hunter2"
	claims := m.claims()
	claims["who"] = secret
	for _, raw := range []string{
		secret, encode(`{"alg":"`+secret+`"}`) + ".a.b",
		write(t, `{"alg":"`+secret+`","kid":"a","typ":"at+jwt"}`, claims, with(m.ring[0])),
		write(t, `{"alg":"EdDSA","kid":"`+secret+`","typ":"at+jwt"}`, claims, with(m.ring[0])),
		write(t, m.header(m.ring[0]), claims, with(m.ring[0])),
	} {
		if _, err := m.Verify(t.Context(), raw); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v", err)
		}
	}
}

// It is not a token's fault that keys can't be read, and nobody is to throw it
// away for that.
func TestKeysCannotBeRead(t *testing.T) {
	m := newMint(t)
	broken := func(context.Context) ([]token.PublicKey, error) { return nil, errors.New("the table is away") }
	v := token.NewVerifier(broken, broken, service, func() time.Time { return m.now })
	_, err := v.Verify(t.Context(), m.sign(t, m.alices()))
	if err == nil || errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		t.Errorf("got %v", err)
	}
}
