package wire

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access/door"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/table"
)

// gate returns what finds out who sends a request, or nil where nobody is
// asked. Anything but the word open is asked.
//
// With a password only robots come in here: whatever needs an issuer, or
// expressions, goes for a token first. Failures are counted in memory, for
// these functions may not write who may do what.
func gate(c Config, items table.Store, log *slog.Logger) distribution.Gate {
	if c.Access == Open {
		return nil
	}
	kept := ledger.New(items, ledger.Options{Log: log})
	return NewGate(c, kept, login.New(kept.Witness(), log, login.Robots(kept)), log)
}

// NewGate returns what finds out who sends a request, by what a ledger says is
// in force. It makes no call.
func NewGate(c Config, kept *ledger.Ledger, who *login.Authenticator, log *slog.Logger) distribution.Gate {
	return door.New(door.Options{
		State: kept.State, Reload: kept.Reload, Verifier: NewVerifier(c, kept), Login: who,
		Realm: c.realm, Service: c.Service, Log: log,
	})
}

// NewVerifier returns what tells good tokens, by the keys of a ledger.
func NewVerifier(c Config, kept *ledger.Ledger) *token.Verifier {
	return token.NewVerifier(kept.Keys, kept.ReloadKeys, c.Service, time.Now)
}

// realm is where clients fetch tokens.
func (c Config) realm(r *http.Request) string {
	base := strings.TrimRight(c.URL, "/")
	if base == "" {
		base = "https://" + r.Host
	}
	return base + "/token"
}
