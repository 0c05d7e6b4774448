// Package federate lets in whoever can prove to somebody else who they are: to
// an OpenID Connect issuer, or to AWS. So CI jobs, pods and roles need no
// secret of the registry.
//
// Both providers believe what they are told by the other side over TLS, and
// nothing that the caller says before that: an unproven token only chooses
// among the issuers that the policy names, and an unproven URL must have the
// one form that can lead nowhere but to AWS.
package federate

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/berthregistry/berth/shared/access/login"
)

// skew is how far the clocks of two sides may be apart.
const skew = time.Minute

// Options are what the providers are made of. The zero value is good.
type Options struct {
	// Transport carries requests to issuers and to STS; nil stands for one with
	// time-outs.
	Transport http.RoundTripper
	// Endpoint is what plays STS: then AWS itself is not asked. Scheme and host
	// only. Nil is AWS.
	Endpoint *url.URL
	// Log gets what an operator may want to know of issuers and STS; nil is
	// nowhere.
	Log *slog.Logger
	// Now is the time; time.Now if nil.
	Now func() time.Time
}

// filled returns the options with what is missing.
func (o Options) filled() Options {
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return o
}

// refused is the error for credentials that are at fault. The text is for the
// log; it must not have secrets in it.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %w", login.ErrRefused, fmt.Errorf(format, args...))
}
