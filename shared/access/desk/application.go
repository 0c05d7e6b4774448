package desk

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/berthregistry/berth/shared/access"
)

// maxForm is the largest form that is read, in bytes: a token of an issuer and
// as many scopes as are taken.
const maxForm = 32 << 10

// The ways to apply for a token that the form of OAuth 2.0 has, by the value of
// grant_type (RFC 6749, sections 4.3 and 6; RFC 8693).
const (
	byPassword = "password"
	byRefresh  = "refresh_token"
	byExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// The kinds of token, in RFC 8693's words (section 3).
const (
	typeJWT     = "urn:ietf:params:oauth:token-type:jwt"
	typeID      = "urn:ietf:params:oauth:token-type:id_token"
	typeAccess  = "urn:ietf:params:oauth:token-type:access_token"
	workloadJWT = "oidc" // the user whose password is an issuer's token
)

// An application is what a request for a token asks.
type application struct {
	service string // "" if it does not say
	scopes  []access.Scope
	offline bool // a refresh token is wanted as well

	// What they present: nothing, a user and a secret, or a refresh token.
	user, secret string
	refresh      string
	exchange     bool // the secret is an issuer's token, by RFC 8693
}

// anonymous says whether nothing was presented. A user without a name is
// something.
func (a application) anonymous() bool { return a.user == "" && a.secret == "" && a.refresh == "" }

// read reads an application. Errors are of the kind *refusal.
func read(w http.ResponseWriter, r *http.Request) (application, error) {
	if r.Method == http.MethodPost {
		return readForm(w, r)
	}
	return readQuery(r)
}

// readQuery reads the GET of Docker's token specification. What is secret is in
// the header and never in the query, where everybody logs it.
func readQuery(r *http.Request) (application, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return application{}, malformed("invalid_request", "the query cannot be read")
	}
	var a application
	if a, err = general(query, "offline_token"); err != nil {
		return a, err
	}
	a.offline = query.Get("offline_token") == "true"
	switch present := r.Header["Authorization"]; {
	case len(present) == 0:
		return a, nil
	case len(present) > 1:
		return a, malformed("invalid_request", "there are several Authorization headers")
	}
	user, secret, ok := r.BasicAuth()
	if !ok || user == "" {
		return a, refused()
	}
	a.user, a.secret = user, secret
	return a, nil
}

// readForm reads the POST of OAuth 2.0. A query beside it is not looked at.
func readForm(w http.ResponseWriter, r *http.Request) (application, error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/x-www-form-urlencoded" {
		return application{}, malformed("invalid_request", "the body is not a form (application/x-www-form-urlencoded)")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return application{}, &refusal{http.StatusRequestEntityTooLarge, "invalid_request",
				fmt.Sprintf("the form is larger than %d KiB", maxForm>>10), 0}
		}
		return application{}, malformed("invalid_request", "the form cannot be read")
	}
	form := r.PostForm
	a, err := general(form, "grant_type", "username", "password", "refresh_token", "access_type",
		"subject_token", "subject_token_type", "requested_token_type")
	if err != nil {
		return a, err
	}
	a.offline = form.Get("access_type") == "offline"
	switch form.Get("grant_type") {
	case byPassword:
		a.user, a.secret = form.Get("username"), form.Get("password")
		if a.user == "" {
			return a, malformed("invalid_request", "there is no username")
		}
	case byRefresh:
		if a.refresh = form.Get("refresh_token"); a.refresh == "" {
			return a, malformed("invalid_request", "there is no refresh_token")
		}
	case byExchange:
		return a.readExchange(form)
	default:
		return a, malformed("unsupported_grant_type", "grant_type is not password, refresh_token or "+byExchange)
	}
	return a, nil
}

// readExchange reads what RFC 8693 adds (section 2.1). Nobody acts for another
// here, so an actor is refused rather than ignored.
func (a application) readExchange(form url.Values) (application, error) {
	switch form.Get("subject_token_type") {
	case typeJWT, typeID, typeAccess:
	default:
		return a, malformed("invalid_request", "subject_token_type is not that of a JWT, an ID token or an access token")
	}
	if wanted := form.Get("requested_token_type"); wanted != "" && wanted != typeAccess {
		return a, malformed("invalid_request", "only access tokens are issued")
	}
	if form.Has("actor_token") {
		return a, malformed("invalid_request", "nobody acts for another here")
	}
	if a.user, a.secret, a.exchange = workloadJWT, form.Get("subject_token"), true; a.secret == "" {
		return a, malformed("invalid_request", "there is no subject_token")
	}
	return a, nil
}

// general reads what both ways share, and refuses what is said twice (RFC 6749,
// section 3.2) but for scopes, of which Docker sends one parameter each.
func general(values url.Values, once ...string) (application, error) {
	for _, name := range append(once, "service", "client_id", "account") {
		if len(values[name]) > 1 {
			return application{}, malformed("invalid_request", name+" is there several times")
		}
	}
	scopes, err := access.ParseScopes(strings.Join(values["scope"], " "))
	if err != nil {
		return application{}, malformed("invalid_scope", err.Error())
	}
	return application{service: values.Get("service"), scopes: scopes}, nil
}
