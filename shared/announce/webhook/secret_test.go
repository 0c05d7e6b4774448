package webhook

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// What we sign, a library of others verifies, by either secret.
func TestSignaturesAreThoseOfOthers(t *testing.T) {
	other := strings.Repeat("o", minSecret)
	secrets, err := ParseSecrets([]byte(base64Secret + "\r\n\n" + other + "\n"))
	if err != nil || len(secrets) != 2 {
		t.Fatalf("got %d secrets, %v", len(secrets), err)
	}
	now, body := time.Now(), []byte(`{"a":1}`)
	header := http.Header{
		"Webhook-Id": {"x"}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)},
		"Webhook-Signature": {signature(secrets, "x", now, body)},
	}
	first, err := standardwebhooks.NewWebhook(base64Secret)
	if err != nil {
		t.Fatal(err)
	}
	second, err := standardwebhooks.NewWebhookRaw([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	third, err := standardwebhooks.NewWebhookRaw([]byte(strings.Repeat("x", minSecret)))
	if err != nil {
		t.Fatal(err)
	}
	for _, wh := range []*standardwebhooks.Webhook{first, second} {
		if err := wh.Verify(body, header); err != nil {
			t.Error(err)
		}
		if wh.Verify([]byte(`{"a":2}`), header) == nil {
			t.Error("another body is verified")
		}
	}
	if third.Verify(body, header) == nil {
		t.Error("another secret verifies")
	}
}

func TestParseSecrets(t *testing.T) {
	whsec := func(n int) string { return secretPrefix + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for name, c := range map[string]struct {
		text string
		n    int
		says string
	}{
		"raw":            {strings.Repeat("x", 24) + "\n", 1, ""},
		"base64":         {whsec(64), 1, ""},
		"several":        {whsec(24) + "\n" + whsec(32) + "\n", 2, ""},
		"none":           {"\n\n", 0, "no secret"},
		"too many":       {strings.Repeat(whsec(24)+"\n", 5), 0, "more than 4"},
		"short":          {strings.Repeat("x", 23), 0, "line 1: a secret of 23 bytes"},
		"short, encoded": {"\n" + whsec(23), 0, "line 2: a secret of 23 bytes"},
		"long":           {whsec(65), 0, "65 bytes"},
		"no base64":      {"whsec_*" + strings.Repeat("x", 24), 0, "not base64"},
		"a space":        {strings.Repeat("x", 24) + " ", 0, "no space"},
	} {
		got, err := ParseSecrets([]byte(c.text))
		if len(got) != c.n || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %d secrets, %v", name, len(got), err)
		}
		for _, s := range got {
			if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, "xxx") || strings.Contains(text, "120") {
				t.Errorf("a secret prints as %s", text)
			}
		}
	}
}

func FuzzParseSecrets(f *testing.F) {
	f.Add([]byte(base64Secret + "\n" + rawSecret))
	f.Add([]byte("whsec_\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		secrets, err := ParseSecrets(text)
		if err == nil && (len(secrets) == 0 || len(secrets) > maxSecrets) {
			t.Errorf("%d secrets", len(secrets))
		}
		for _, s := range secrets {
			if len(s.key) < minSecret || len(s.key) > maxSecret {
				t.Errorf("a secret of %d bytes", len(s.key))
			}
		}
		// A short text is found in any sentence.
		if err != nil && len(text) >= minSecret && strings.Contains(err.Error(), string(text)) {
			t.Errorf("the error %q repeats the secret", err)
		}
	})
}

func TestReadSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if _, err := ReadSecrets(path); err == nil {
		t.Error("a file that is not there was read")
	}
	for text, ok := range map[string]bool{rawSecret: true, strings.Repeat(rawSecret+"\n", 200): false, "hush": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadSecrets(path)
		if (err == nil) != ok || err != nil && (strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), path)) {
			t.Errorf("%d bytes: got %v", len(text), err)
		}
	}
}
