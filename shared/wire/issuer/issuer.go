// Package issuer assembles the function that makes tokens, on AWS.
//
// It is apart from package wire so that only this function links what reads
// policies, evaluates expressions and asks issuers: a function pays for all
// that it links at each cold start.
package issuer

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/vault"
	vaultssm "github.com/berthregistry/berth/shared/access/vault/ssm"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/wire"
)

// Handler returns the token endpoint and administration. It makes no call: what
// is wrong with table or parameter shows at the first request. A registry that
// is open has neither.
func Handler(c wire.TokenConfig, log *slog.Logger) http.Handler {
	if c.Access == wire.Open {
		return http.HandlerFunc(refuse)
	}
	return wire.InTime(assemble(c, wire.NewTable(c.Config, log), vaultssm.New(newSSM(c), c.SigningKey), log))
}

// parameterAnswer is how long SSM may think.
const parameterAnswer = 4 * time.Second

func newSSM(c wire.TokenConfig) *ssm.Client {
	transport, retryer := wire.NewClient(parameterAnswer)
	o := ssm.Options{
		Region:      c.Region,
		Credentials: credentials.StaticCredentialsProvider{Value: c.Credentials},
		HTTPClient:  transport,
		Retryer:     retryer,
	}
	if c.SSM != "" {
		o.BaseEndpoint = &c.SSM
	}
	return ssm.New(o)
}

// assemble is all of a Handler but where things are kept.
func assemble(c wire.TokenConfig, items table.Store, private vault.Vault, log *slog.Logger) http.Handler {
	kept := ledger.New(items, ledger.Options{Log: log})
	outside := federate.Options{Log: log, Endpoint: endpoint(c.STS)}
	who := login.New(kept, log, login.Robots(kept), federate.OIDC(outside), federate.STS(outside))
	return desk.New(desk.Options{
		Ledger: kept, Login: who,
		Keys:     vault.Open(private, kept.PublishKeys, time.Now),
		Verifier: wire.NewVerifier(c.Config, kept),
		Service:  c.Service, Life: c.TokenLife,
		Gate: wire.NewGate(c.Config, kept, who, log),
		Log:  log,
	})
}

// endpoint is nil for AWS's own. The text was read as a URL before.
func endpoint(text string) *url.URL {
	u, err := url.Parse(text)
	if text == "" || err != nil {
		return nil
	}
	return u
}

// refuse answers whatever is asked of a registry that is open.
func refuse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"errors":[{"code":"UNSUPPORTED","message":"this registry is open: it asks nobody who they are"}]}`)
}
