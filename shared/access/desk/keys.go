package desk

import (
	"fmt"
	"net/http"
	"time"

	"github.com/berthregistry/berth/shared/access"
)

// Rotated is the key that signs from here on.
type Rotated struct {
	Key  string    `json:"key"`
	From time.Time `json:"from"` // before that the old one signs
}

// rotateKeys has tokens signed with a new key, as soon as everybody knows it.
func (d *desk) rotateKeys(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	key, err := d.Keys.Rotate(r.Context(), refreshLife)
	if err != nil {
		return "", fmt.Errorf("rotate the signing key: %w", err)
	}
	writeJSON(w, http.StatusOK, Rotated{key.ID, key.From})
	return key.ID, nil
}
