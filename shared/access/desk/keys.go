package desk

import (
	"fmt"
	"net/http"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
)

// Rotated is the key that signs from here on.
type Rotated struct {
	Key  string    `json:"key"`
	From time.Time `json:"from"` // before that the old one signs
}

// rotateKeys has tokens signed with a new key, as soon as everybody knows it. With
// the parameter leaked it is done at once, and no token that an old one has
// signed is good any more.
func (d *desk) rotateKeys(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	rotate := func() (token.PublicKey, error) { return d.Keys.Rotate(r.Context(), refreshLife) }
	if r.URL.Query().Has("leaked") {
		rotate = func() (token.PublicKey, error) { return d.Keys.Withdraw(r.Context()) }
	}
	key, err := rotate()
	if err != nil {
		return "", fmt.Errorf("rotate the signing key: %w", err)
	}
	writeJSON(w, http.StatusOK, Rotated{key.ID, key.From})
	return key.ID, nil
}
