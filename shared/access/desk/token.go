package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/access/token"
)

// A grant is a token, as clients are told of it: those of Docker's token
// specification read token, those of OAuth 2.0 access_token.
type grant struct {
	Token        string `json:"token"`
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	IssuedAt     string `json:"issued_at"`
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IssuedType   string `json:"issued_token_type,omitempty"` // RFC 8693
}

// giveToken is the token endpoint.
func (d *desk) giveToken(w http.ResponseWriter, r *http.Request) {
	who, given, err := d.apply(w, r)
	if err != nil {
		turned, theirs := refusalOf(err)
		if !theirs {
			d.Log.ErrorContext(r.Context(), "no token could be made", "error", err)
		}
		d.Log.InfoContext(r.Context(), "token", "allowed", false, "error", turned.code, "address", access.AddressOf(r.RemoteAddr))
		turned.write(w)
		return
	}
	d.Log.InfoContext(r.Context(), "token", "allowed", true, "principal", who.String(), "scope", given.Scope,
		"refreshable", given.RefreshToken != "", "address", access.AddressOf(r.RemoteAddr))
	writeJSON(w, http.StatusOK, given)
}

// apply makes what is asked for.
func (d *desk) apply(w http.ResponseWriter, r *http.Request) (access.Principal, grant, error) {
	a, err := read(w, r)
	if err != nil {
		return access.Principal{}, grant{}, err
	}
	if a.service != "" && a.service != d.Service {
		return access.Principal{}, grant{}, malformed("invalid_request", "tokens for that service are not made here")
	}
	state, err := d.State(r.Context())
	if err != nil {
		return access.Principal{}, grant{}, fmt.Errorf("read the policy: %w", err)
	}
	id, err := d.identify(r.Context(), a, access.AddressOf(r.RemoteAddr), state)
	if err != nil {
		return access.Principal{}, grant{}, err
	}
	given, err := d.grant(r.Context(), a, id, state)
	return id.Principal, given, err
}

// identify finds out who applies, under the policy in force.
func (d *desk) identify(ctx context.Context, a application, address string, state *ledger.State) (login.Identity, error) {
	switch {
	case a.anonymous():
		return login.Identity{Principal: access.Principal{Kind: access.Anonymous}}, nil
	case a.refresh != "":
		return d.renew(ctx, a.refresh, state.Policy)
	}
	id, err := d.Login.Login(ctx, login.Credentials{User: a.user, Secret: a.secret, Address: address}, state.Policy)
	if err != nil {
		return id, err
	}
	if id.Robot != "" {
		d.used(ctx, id.Robot)
	}
	return id, nil
}

// used remembers that an access key was used. A token is worth more than the
// note, so it is given without.
func (d *desk) used(ctx context.Context, robot string) {
	if err := d.Ledger.Used(ctx, robot); err != nil {
		d.Log.WarnContext(ctx, "last use not remembered", "robot", robot, "error", err)
	}
}

// grant signs a token for what is asked and allowed. It does not outlive what
// it was given for.
func (d *desk) grant(ctx context.Context, a application, id login.Identity, state *ledger.State) (grant, error) {
	now := d.Now()
	t := token.Token{
		Principal: id.Principal, Robot: id.Robot, Scopes: state.Policy.Grant(id.Principal, a.scopes),
		Service: d.Service, Issued: now, Expires: earlier(now.Add(d.Life), id.Until),
	}
	if id.Principal.HasClaims() {
		t.Policy = state.Policy.Version()
	}
	if t.Expires.Unix() <= now.Unix() { // good for another moment, since clocks differ, but nothing can be made of it
		return grant{}, refused()
	}
	signed, err := d.Keys.Sign(ctx, t)
	if errors.Is(err, token.ErrTooLarge) {
		return grant{}, malformed("invalid_scope", "a token for all of that would not fit a request: ask for less at once")
	}
	if err != nil {
		return grant{}, fmt.Errorf("sign a token: %w", err)
	}
	given := grant{
		Token: signed, AccessToken: signed, TokenType: "Bearer", Scope: textOf(t.Scopes),
		ExpiresIn: int(t.Expires.Sub(now).Seconds()), IssuedAt: now.UTC().Format(time.RFC3339),
	}
	if a.exchange {
		given.IssuedType = typeAccess
	}
	if a.offline && a.refresh == "" && !a.anonymous() {
		given.RefreshToken, err = d.refreshable(ctx, id, now)
	}
	return given, err
}

// earlier returns the earlier of two times, of which the second may be never.
func earlier(t, until time.Time) time.Time {
	if !until.IsZero() && until.Before(t) {
		return until
	}
	return t
}

func textOf(scopes []access.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = s.String()
	}
	return strings.Join(words, " ")
}
