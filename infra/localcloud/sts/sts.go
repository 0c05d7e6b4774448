// Package sts plays AWS's security token service, as far as a registry asks
// it: it tells who has signed a request for GetCallerIdentity.
//
// Signatures are really verified, so a URL that was signed for another
// registry fails here as it fails there. It knows no policies: on AWS as well,
// nobody needs a permission to be told who they are.
package sts

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

const (
	service = "sts" // in signatures
	version = "2011-06-15"
	maxBody = 64 << 10
)

// A Principal is somebody whom STS knows by an access key.
type Principal struct {
	ARN    string // such as arn:aws:sts::123456789012:assumed-role/deploy/me
	UserID string // such as AROAEXAMPLE:me
	Secret string // key of its signatures
	Token  string // session token that it must show; empty: it must show none
}

// account is the number in the principal's ARN.
func (p Principal) account() string {
	parts := strings.SplitN(p.ARN, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

// A Failure is an answer that has nothing to do with the request.
type Failure struct {
	Status int
	Code   string // such as Throttling or InternalFailure
}

// Config is what the service needs to know.
type Config struct {
	// Region is the one that requests are signed for.
	Region string
	// Principals finds a principal by its access key. It is called by many
	// goroutines at once.
	Principals func(accessKeyID string) (Principal, bool)
	// Fail, if set, is asked at each request. If it says so, the request is
	// answered with that failure, whoever has signed it.
	Fail func() (Failure, bool)
	// Clock tells the time by which signatures expire: time.Now if nil.
	Clock func() time.Time
}

type server struct {
	config   Config
	verifier *iam.Verifier
}

// New returns the service.
func New(c Config) (http.Handler, error) {
	if c.Region == "" || c.Principals == nil {
		return nil, errors.New("sts: region or principals are missing")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	keys := func(id string) (secret, token string, ok bool) {
		p, ok := c.Principals(id)
		return p.Secret, p.Token, ok
	}
	return &server{c, iam.NewVerifier(service, c.Region, keys, c.Clock)}, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, err := s.caller(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, r, http.StatusOK, identity{
		Result: result{ARN: caller.ARN, UserID: caller.UserID, Account: caller.account()},
		Meta:   metadata{rand.Text()},
	})
}

// caller returns who has signed a request for GetCallerIdentity.
func (s *server) caller(r *http.Request) (Principal, error) {
	if s.config.Fail != nil {
		if failure, ok := s.config.Fail(); ok {
			return Principal{}, refusal{failure.Status, failure.Code, "The request was made to fail."}
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return Principal{}, refusal{http.StatusBadRequest, "MalformedInput", "The body is cut off, or too large."}
	}
	if err := checkAction(r, body); err != nil {
		return Principal{}, err
	}
	sum := sha256.Sum256(body)
	id, err := s.verifier.Verify(r, hex.EncodeToString(sum[:]))
	if err != nil {
		return Principal{}, disbelief(err)
	}
	caller, ok := s.config.Principals(id)
	if !ok { // it was there a moment ago
		return Principal{}, disbelief(iam.ErrUnknownKey)
	}
	return caller, nil
}

// checkAction refuses what is not GetCallerIdentity: in the query of a GET, or
// in the form of a POST.
func checkAction(r *http.Request, body []byte) error {
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		text = string(body)
	}
	form, err := url.ParseQuery(text)
	switch {
	case r.URL.Path != "/" || r.Method != http.MethodGet && r.Method != http.MethodPost:
		return refusal{http.StatusNotFound, "UnknownOperationException", "There is nothing here."}
	case err != nil:
		return refusal{http.StatusBadRequest, "MalformedQueryString", "The query string cannot be parsed."}
	case len(form["Action"]) == 0:
		return refusal{http.StatusBadRequest, "MissingAction", "There is no action."}
	case len(form["Action"]) > 1 || form.Get("Action") != "GetCallerIdentity" || form.Get("Version") != version:
		return refusal{http.StatusBadRequest, "InvalidAction",
			fmt.Sprintf("Could not find operation %s for version %s", form.Get("Action"), form.Get("Version"))}
	}
	return nil
}
