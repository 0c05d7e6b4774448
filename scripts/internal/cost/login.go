package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/vault"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/wire"
)

const policy = `rules:
  - allow: [pull]
    to: [robot:ci]
    repositories: ["**"]
`

// countLogin counts what a client does before its first pull, of a registry
// that is in use: it hears where to log in, and gets a token with a robot's
// secret. What is in force is read once in 15 seconds for whoever comes, and is
// left out, as is the note of the first use of a day.
func countLogin(ctx context.Context, items meteredTable, folder string) (bill, error) {
	kept := ledger.New(items, ledger.Options{Fresh: time.Hour})
	ci, err := admit(ctx, kept)
	if err != nil {
		return bill{}, err
	}
	c := client{meter: items.meter, handler: guarded(kept, vault.File(filepath.Join(folder, "keys")))}
	for range 3 { // the first time keys are made, the second they are read
		items.meter.take()
		if _, err := c.send(ctx, "GET", "/v2/", nil, http.StatusUnauthorized); err != nil {
			return bill{}, err
		}
		if _, err := c.send(ctx, "GET", "/token?service=berth&scope=repository:"+repo+":pull", nil, http.StatusOK, "Authorization", ci); err != nil {
			return bill{}, err
		}
	}
	return items.meter.take(), nil
}

// admit puts a policy in force and makes a robot. It returns what that presents.
func admit(ctx context.Context, kept *ledger.Ledger) (string, error) {
	p, err := document.Parse("policy", []byte(policy))
	if err != nil {
		return "", err
	}
	if _, err := kept.SetPolicy(ctx, []byte(policy), p, "cost", ""); err != nil {
		return "", fmt.Errorf("set a policy: %w", err)
	}
	made, secret, err := kept.Create(ctx, "ci", nil, time.Time{})
	if err != nil {
		return "", fmt.Errorf("make a robot: %w", err)
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(made.ID+":"+secret)), nil
}

// guarded is a registry that nobody pulls from, and its token endpoint.
func guarded(kept *ledger.Ledger, keys vault.Vault) http.Handler {
	c := wire.Config{Service: wire.DefaultService}
	who := login.New(kept, slog.New(slog.DiscardHandler), login.Robots(kept))
	gate := wire.NewGate(c, kept, who, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle("/v2/", distribution.New(registry.New(nil, nil, registry.Options{}), distribution.Options{Gate: gate}))
	mux.Handle("/token", desk.New(desk.Options{
		Ledger: kept, Login: who, Keys: vault.Open(keys, kept.PublishKeys, nil), Verifier: wire.NewVerifier(c, kept),
		Service: c.Service, Gate: gate,
	}))
	return mux
}
