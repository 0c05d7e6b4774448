package desk

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/oci"
)

// adminScope is what a token must have for administration. It is ours: the
// distribution spec has no word for it.
const adminScope = "registry:admin:*"

// An errand is one thing that an administrator may want done. It answers unless
// it returns an error. What it returns beside goes into the audit line: what it
// was about.
type errand func(d *desk, w http.ResponseWriter, r *http.Request, who *access.Session) (about string, err error)

// administer lets administrators run an errand, and writes an audit line if it
// changes something or was denied.
func (d *desk) administer(action string, do errand) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := d.administrator(r)
		if err != nil {
			d.turnAway(w, r, action, who, err)
			return
		}
		about, err := do(d, w, r, who)
		if err != nil {
			d.fail(w, r, err)
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			d.audit(r, who, action, about, "allowed", true, "done", err == nil)
		}
	}
}

// errNarrow is the cause of a challenge to who may administer, but not with the
// token at hand.
var errNarrow = errors.New("the token is not for administration")

// administrator returns who asks if they may administer. Errors: those of the
// gate, oci.ErrUnauthorized with the cause, and oci.ErrDenied.
func (d *desk) administrator(r *http.Request) (*access.Session, error) {
	who, err := d.Gate.Admit(r)
	switch {
	case err != nil:
		return nil, err
	case who.Admin():
		return who, nil
	case who.Unknown():
		return who, oci.ErrUnauthorized
	case who.Lacks("", access.Admin):
		return who, fmt.Errorf("%w: %w", oci.ErrUnauthorized, errNarrow)
	}
	return who, oci.ErrDenied
}

// turnAway answers who may not administer. Who is nil where credentials were no
// good.
func (d *desk) turnAway(w http.ResponseWriter, r *http.Request, action string, who *access.Session, err error) {
	if errors.Is(err, oci.ErrUnauthorized) {
		cause := err
		if who != nil && who.Unknown() {
			cause = nil // nothing was presented
		}
		w.Header().Set("Www-Authenticate", d.Gate.Challenge(r, adminScope, cause))
	}
	var later interface{ Seconds() int }
	if errors.As(err, &later) {
		w.Header().Set("Retry-After", strconv.Itoa(later.Seconds()))
	}
	d.fail(w, r, err)
	if who == nil {
		who = &access.Session{}
	}
	d.audit(r, who, action, "", "allowed", false)
}

// audit writes who did, or wanted to do, what. It is written whatever the level of
// the log: who wants fewer lines does not want fewer of these.
func (d *desk) audit(r *http.Request, who *access.Session, action, about string, more ...any) {
	line := slog.NewRecord(d.Now(), slog.LevelInfo, "audit", 0)
	line.Add("principal", who.Principal.String(), "action", action, "about", about, "address", access.AddressOf(r.RemoteAddr))
	line.Add(more...)
	_ = d.Log.Handler().Handle(r.Context(), line) // a log that fails has nowhere to say so
}

// statuses are what HTTP calls the errors of errands.
var statuses = []struct {
	err    error
	status int
}{
	{oci.ErrUnauthorized, http.StatusUnauthorized},
	{oci.ErrDenied, http.StatusForbidden},
	{oci.ErrTooManyRequests, http.StatusTooManyRequests},
	{ledger.ErrAbsent, http.StatusNotFound},
	{ledger.ErrExists, http.StatusConflict},
	{ledger.ErrChanged, http.StatusPreconditionFailed},
	{ledger.ErrInvalid, http.StatusBadRequest},
}

// An invalid is an error of whoever asked, one line each.
type invalid struct {
	status int
	lines  []string
}

func (i *invalid) Error() string { return strings.Join(i.lines, "\n") }

func badly(format string, args ...any) *invalid {
	return &invalid{http.StatusBadRequest, []string{fmt.Sprintf(format, args...)}}
}

// fail answers with an error. What is not the doing of whoever asked goes to
// the log, and the answer does not say what it was.
func (d *desk) fail(w http.ResponseWriter, r *http.Request, err error) {
	if i, ok := errors.AsType[*invalid](err); ok {
		writeProblem(w, i.status, i.lines...)
		return
	}
	for _, known := range statuses {
		if errors.Is(err, known.err) {
			writeProblem(w, known.status, messageOf(err))
			return
		}
	}
	d.Log.ErrorContext(r.Context(), "administration failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	writeProblem(w, http.StatusInternalServerError, "internal error")
}

// messageOf leaves the code out, which the answer has anyway.
func messageOf(err error) string {
	if e, ok := errors.AsType[*oci.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

func writeProblem(w http.ResponseWriter, status int, messages ...string) {
	p := problem{}
	for _, m := range messages {
		p.Errors = append(p.Errors, fault{Code: codeOf(status), Message: m})
	}
	writeJSON(w, status, p)
}
