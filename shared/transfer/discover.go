package transfer

import (
	"context"
	"net/http"

	"github.com/berthregistry/berth/shared/direct"
)

// Direct says whether the registry knows direct transfer. It is asked once.
func (r *Repository) Direct(ctx context.Context) (bool, error) {
	if known, ok := r.engine.knows(r.base); ok {
		return known, nil
	}
	var d direct.Discovery
	err := r.engine.again(ctx, "discover", func() error {
		resp, err := r.do(r.pulling(ctx), call{method: http.MethodGet, url: r.at("_oci/ext/discover")}, http.StatusOK)
		if err != nil {
			return err
		}
		return decode(resp, &d)
	})
	if err != nil && (worthAgain(ctx, err) || ctx.Err() != nil) {
		return false, err
	}
	known := false
	for _, x := range d.Extensions {
		known = known || x.Name == direct.Extension
	}
	r.engine.learn(r.base.Host, known)
	return known, nil
}
