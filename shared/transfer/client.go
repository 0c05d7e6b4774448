package transfer

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// stay returns a client that logs in as c does, but follows a request below base
// to no other origin: that is for those who know that it carries no credentials
// there. It leaves it to its caller to try again.
func stay(c remote.Client, base *url.URL) doer {
	switch c := c.(type) {
	case nil:
		return stay(auth.DefaultClient, base)
	case *auth.Client:
		own := *c
		own.Client = homebound(c.Client, base)
		return &own
	case *http.Client:
		return homebound(c, base)
	}
	return c
}

func homebound(c *http.Client, base *url.URL) *http.Client {
	own := http.Client{}
	if c != nil {
		own = *c
	}
	own.Timeout = 0 // of a whole body; what stands still is ended by send
	if t, ok := own.Transport.(*retry.Transport); ok {
		own.Transport = t.Base
	}
	asked := own.CheckRedirect
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		first := via[0].URL
		switch {
		case strings.HasPrefix(first.Path, base.Path) && sameOrigin(first, base) && !sameOrigin(req.URL, base):
			return http.ErrUseLastResponse
		case asked != nil:
			return asked(req, via)
		case len(via) >= maxHops:
			return fmt.Errorf("stopped after %d redirects", maxHops)
		}
		return nil
	}
	return &own
}

// maxHops is how often one request is sent on.
const maxHops = 10
