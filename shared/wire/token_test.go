package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/wire"
)

func readToken(env map[string]string) (wire.TokenConfig, error) {
	return wire.ReadToken(func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

func TestTokenConfig(t *testing.T) {
	c, err := readToken(and("BERTH_SIGNING_KEY", "/berth/team/signing-key", "BERTH_TOKEN_LIFE", ""))
	if err != nil || c.SigningKey != "/berth/team/signing-key" || c.TokenLife != 5*time.Minute || c.Table != "items" {
		t.Errorf("got %+v, %v", c, err)
	}
	c, err = readToken(and("BERTH_SIGNING_KEY", "key", "BERTH_TOKEN_LIFE", "900",
		"AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1", "AWS_ENDPOINT_URL_STS", "http://127.0.0.1:2"))
	if err != nil || c.TokenLife != 15*time.Minute || c.SSM != "http://127.0.0.1:1" || c.STS != "http://127.0.0.1:2" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestTokenConfigMistakes(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"BERTH_SIGNING_KEY", "", "BERTH_SIGNING_KEY is not set"},
		{"BERTH_TOKEN_LIFE", "299", `BERTH_TOKEN_LIFE is "299"; want a number of seconds from 300 to 900`},
		{"BERTH_TOKEN_LIFE", "901", "from 300 to 900"},
		{"BERTH_TOKEN_LIFE", "5m", "BERTH_TOKEN_LIFE"},
		{"BERTH_TABLE", "", "BERTH_TABLE is not set"},
		{"AWS_ENDPOINT_URL_STS", "sts", "AWS_ENDPOINT_URL_STS is no URL"},
	} {
		env := and("BERTH_SIGNING_KEY", "key")
		env[test.name] = test.value
		if _, err := readToken(env); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s=%q: got %v, want %s", test.name, test.value, err, test.want)
		}
	}
}
