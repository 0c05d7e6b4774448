package federate

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/login"
)

const (
	issuerUser = "oidc"
	maxToken   = 16 << 10 // bytes, so that claims are bounded as well
)

// algorithms are those that only the holder of a private key can sign with.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// issuers is the provider of those who log in with a token of an issuer.
type issuers struct {
	Options
	client *http.Client

	mu    sync.Mutex
	rings map[string]*keyring // by URL of the issuer
}

// OIDC returns the provider for the user "oidc", whose password is a token of
// an issuer that the policy names: a JWT that is signed, meant for this
// registry and not over. It is safe for concurrent use.
//
// Keys of issuers are kept in memory: some minutes without asking again, and
// up to an hour if the issuer cannot be reached. The policy is not kept.
func OIDC(o Options) login.Provider {
	o = o.filled()
	return &issuers{Options: o, client: newClient(o.Transport, stay), rings: map[string]*keyring{}}
}

func (*issuers) Takes(user string) bool { return user == issuerUser }

// Login returns the principal that the token speaks of, with all its claims.
// Until is when the token is refused here, which is a little after its exp.
func (i *issuers) Login(ctx context.Context, c login.Credentials, p *access.Policy) (login.Identity, error) {
	t, err := readToken(c.Secret)
	if err != nil {
		return login.Identity{}, err
	}
	trust, err := trusted(p, t.issuer)
	if err != nil {
		return login.Identity{}, err
	}
	claims, err := i.verify(ctx, t, trust)
	if err != nil {
		return login.Identity{}, err
	}
	who, until, err := claims.judge(p, trust, i.Now())
	if err != nil {
		return login.Identity{}, err
	}
	if who, err = document.Evaluate(p, who, claims); err != nil {
		return login.Identity{}, refused("evaluate claims: %w", err)
	}
	return login.Identity{Principal: who, Claims: claims, Until: until}, nil
}

// A rawToken is a token of which nothing is proven yet.
type rawToken struct {
	text   string
	keyID  string
	issuer string
}

// readToken reads what is needed to find the key of a token.
func readToken(text string) (rawToken, error) {
	if len(text) > maxToken {
		return rawToken{}, refused("token has %d bytes, at most %d are taken", len(text), maxToken)
	}
	// Of the forms of a signature, a JWT has the compact one (RFC 7519, section 3).
	signed, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return rawToken{}, refused("read token: %.200s", err.Error()) // it quotes the stranger
	}
	claims, err := readClaims(signed.UnsafePayloadWithoutVerification())
	if err != nil {
		return rawToken{}, refused("read token: %w", err)
	}
	issuer, _ := claims["iss"].(string)
	return rawToken{text: text, keyID: signed.Signatures[0].Header.KeyID, issuer: issuer}, nil
}

// trusted returns what the policy says of an issuer. Issuers are the same if
// their URLs are, letter by letter (OpenID Connect Discovery 1.0, section 4.3).
func trusted(p *access.Policy, issuer string) (access.Trust, error) {
	at := slices.IndexFunc(p.Issuers, func(t access.Trust) bool { return t.URL == issuer })
	if at < 0 || issuer == "" {
		return access.Trust{}, refused("the policy does not name the issuer %.200q", issuer)
	}
	return p.Issuers[at], nil
}

// verify returns the claims of a token that the issuer has signed.
func (i *issuers) verify(ctx context.Context, t rawToken, trust access.Trust) (claims, error) {
	keys, err := i.ring(trust).find(ctx, t.keyID)
	if err != nil {
		return nil, err
	}
	// Times and audience are judged by us: the library knows one audience, and
	// other skews.
	verifier := oidc.NewVerifier(trust.URL, &oidc.StaticKeySet{PublicKeys: keys}, &oidc.Config{
		SupportedSigningAlgs: names(algorithms), SkipClientIDCheck: true, SkipExpiryCheck: true,
	})
	verified, err := verifier.Verify(ctx, t.text)
	if err != nil {
		return nil, refused("verify token of %s: %w", trust.Name, err)
	}
	var c claims
	if err := verified.Claims(&c); err != nil {
		return nil, refused("read claims of %s: %w", trust.Name, err)
	}
	return c, nil
}

// ring returns the keys of an issuer. There are not more of them than issuers
// that policies have named.
func (i *issuers) ring(trust access.Trust) *keyring {
	i.mu.Lock()
	defer i.mu.Unlock()
	ring, ok := i.rings[trust.URL]
	if !ok {
		ring = newKeyring(trust.URL, i.client, i.Options)
		i.rings[trust.URL] = ring
	}
	return ring
}

func names(algorithms []jose.SignatureAlgorithm) []string {
	var texts []string
	for _, a := range algorithms {
		texts = append(texts, string(a))
	}
	return texts
}
