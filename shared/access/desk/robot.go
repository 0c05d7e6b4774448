package desk

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
)

// maxJSON is the largest JSON that is read, in bytes.
const maxJSON = 16 << 10

// A Robot is an access key, as it is listed and, with its secret, as it is
// made.
type Robot struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Groups  []string  `json:"groups,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	Used    time.Time `json:"used,omitzero"` // the day of the last use
	Secret  string    `json:"secret,omitempty"`
}

// A NewRobot is what a robot is to be.
type NewRobot struct {
	Name    string    `json:"name"`
	Groups  []string  `json:"groups,omitempty"`
	Expires time.Time `json:"expires,omitzero"` // zero for never
}

// A Rotation is a robot that is to have a new access key.
type Rotation struct {
	Name    string `json:"name"`
	Overlap int64  `json:"overlap"` // seconds for which the old key still works
}

// Robots are all access keys there are.
type Robots struct {
	Robots []Robot `json:"robots"`
}

// Revoked are the ids of access keys that work no more.
type Revoked struct {
	Revoked []string `json:"revoked"`
}

func listed(r ledger.Robot, secret string) Robot {
	return Robot{r.ID, r.Name, r.Groups, r.Created, r.Expires, r.Used, secret}
}

func (d *desk) listRobots(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	keys, err := d.Ledger.Robots(r.Context())
	if err != nil {
		return "", fmt.Errorf("list robots: %w", err)
	}
	out := Robots{Robots: []Robot{}}
	for _, key := range keys {
		out.Robots = append(out.Robots, listed(key, ""))
	}
	writeJSON(w, http.StatusOK, out)
	return "", nil
}

func (d *desk) createRobot(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	var asked NewRobot
	if err := readJSON(w, r, &asked); err != nil {
		return "", err
	}
	made, secret, err := d.Ledger.Create(r.Context(), asked.Name, asked.Groups, asked.Expires)
	if err != nil {
		return "", fmt.Errorf("create the robot: %w", err)
	}
	writeJSON(w, http.StatusCreated, listed(made, secret))
	return made.Name + " " + made.ID, nil
}

// rotateRobot gives a robot a second access key, so that the first can be
// replaced where it is used before it ends.
func (d *desk) rotateRobot(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	var asked Rotation
	if err := readJSON(w, r, &asked); err != nil {
		return "", err
	}
	const most = 90 * 24 * time.Hour
	if asked.Overlap < 0 || asked.Overlap > int64(most.Seconds()) {
		return "", badly("the overlap is not between 0 and %d seconds", int64(most.Seconds()))
	}
	made, secret, err := d.Ledger.Rotate(r.Context(), asked.Name, time.Duration(asked.Overlap)*time.Second)
	if err != nil {
		return "", fmt.Errorf("rotate the robot: %w", err)
	}
	writeJSON(w, http.StatusCreated, listed(made, secret))
	return made.Name + " " + made.ID, nil
}

// revokeRobot takes an access key's id or a robot's name from the query: what
// stands in front of a registry may drop the body of a DELETE.
func (d *desk) revokeRobot(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	which := r.URL.Query().Get("robot")
	if which == "" {
		return "", badly("the query does not say which robot")
	}
	ids, err := d.Ledger.Revoke(r.Context(), which)
	if err != nil {
		return "", fmt.Errorf("revoke the robot: %w", err)
	}
	writeJSON(w, http.StatusOK, Revoked{ids})
	return strings.Join(ids, " "), nil
}

// readJSON reads a body into what it is to be, and refuses what has no place
// there. It wants the type to be said: a page of a stranger cannot send that
// without the browser asking here first.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return badly("the body is not JSON (application/json)")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
	if err != nil {
		return unread(err)
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badly("the body is not what is expected: %v", err)
	}
	if d.More() {
		return badly("there is more than one value in the body")
	}
	return nil
}
