package distribution

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/berthregistry/berth/shared/direct"
)

// discover lists the extensions that a repository has (spec, extensions/_oci.md).
func (v *visit) discover(w http.ResponseWriter, r *http.Request, _ Target) error {
	found := direct.Discovery{Extensions: []direct.Extended{}}
	if v.reg.TakesDirect() {
		found.Extensions = append(found.Extensions, direct.Extended{
			Name:        direct.Extension,
			URL:         "https://github.com/berthregistry/berth/blob/main/docs/direct-transfer.md",
			Description: "large blobs go straight to the store of the registry, in parts",
			Endpoints:   []string{direct.Uploads},
		})
	}
	if v.events != nil {
		found.Extensions = append(found.Extensions, direct.Extended{
			Name:        direct.Extension,
			URL:         "https://github.com/berthregistry/berth/blob/main/docs/events.md",
			Description: "what happens in the repository is told as it happens",
			Endpoints:   []string{eventsEndpoint},
		})
	}
	raw, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("encode extensions: %w", err)
	}
	writeJSON(w, r, raw)
	return nil
}
