package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
)

// documentName is what errors call a policy that came without a file's name.
const documentName = "policy"

// maxPolicy is the most that is read of a policy, in bytes: more than one may
// have, so that package document says by how much.
const maxPolicy = 2 * document.MaxSize

// getPolicy answers with the policy as it was written. Its ETag is the version
// that a change can be made conditional on.
func (d *desk) getPolicy(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	doc, err := d.document(r)
	if err != nil {
		return "", err
	}
	header := w.Header()
	header.Set("Etag", strconv.Quote(doc.Version))
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/yaml")
	header.Set("Content-Length", strconv.Itoa(len(doc.Text)))
	if !doc.When.IsZero() {
		header.Set("Last-Modified", doc.When.UTC().Format(http.TimeFormat))
	}
	_, _ = w.Write(doc.Text) // a client that hung up is not told
	return "", nil
}

func (d *desk) document(r *http.Request) (ledger.Document, error) {
	if d.File != nil {
		text, _ := d.File()
		sum := sha256.Sum256(text)
		return ledger.Document{Text: text, Version: hex.EncodeToString(sum[:8])}, nil
	}
	doc, err := d.Ledger.Policy(r.Context())
	if errors.Is(err, ledger.ErrAbsent) {
		return doc, fmt.Errorf("a policy is %w: nobody may do anything until one is set", err)
	}
	return doc, err
}

// A Change is what is answered to who has changed the policy.
type Change struct {
	Version string    `json:"version"`
	When    time.Time `json:"when"`
	By      string    `json:"by"`
}

// putPolicy puts a policy in force if it has no errors and its own tests pass.
// Requests that are under way go by the old one, and every function has the new
// one within seconds.
func (d *desk) putPolicy(w http.ResponseWriter, r *http.Request, who *access.Session) (string, error) {
	if d.File != nil {
		_, name := d.File()
		return "", &invalid{http.StatusConflict, []string{"the policy is the file " + name + ": change it there"}}
	}
	condition, err := conditionOf(r.Header)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPolicy))
	if err != nil {
		return "", unread(err)
	}
	policy, err := document.Test(documentName, text)
	if err != nil {
		return "", &invalid{http.StatusBadRequest, strings.Split(err.Error(), "\n")}
	}
	set, err := d.Ledger.SetPolicy(r.Context(), text, policy, who.Principal.String(), condition)
	if err != nil {
		return "", fmt.Errorf("set the policy: %w", err)
	}
	w.Header().Set("Etag", strconv.Quote(set.Version))
	writeJSON(w, http.StatusOK, Change{set.Version, set.When, set.By})
	return set.Version, nil
}

// conditionOf returns the version that a change replaces, "" for whatever is
// there.
func conditionOf(header http.Header) (string, error) {
	match, none := header.Values("If-Match"), header.Values("If-None-Match")
	switch {
	case len(match) == 0 && len(none) == 0:
		return "", nil
	case len(match) == 0 && len(none) == 1 && none[0] == "*":
		return ledger.NoPolicy, nil
	case len(match) == 1 && len(none) == 0:
		version, quoted := strings.CutPrefix(match[0], `"`)
		version, closed := strings.CutSuffix(version, `"`)
		if quoted && closed && version != "" && !strings.ContainsAny(version, `",`) {
			return version, nil
		}
	}
	return "", badly(`the condition is neither If-Match: "VERSION" nor If-None-Match: *`)
}

// unread is the error of a body that could not be read to its end.
func unread(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &invalid{http.StatusRequestEntityTooLarge, []string{fmt.Sprintf("the body is larger than %d KiB", tooLarge.Limit>>10)}}
	}
	return badly("the body cannot be read")
}
