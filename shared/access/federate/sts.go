package federate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/login"
)

const (
	callerUser   = "aws"
	maxAudiences = 8                // that one password is tried for
	patience     = 10 * time.Second // for all these attempts together
)

// errOtherAudience is what STS's refusal of a signature means: the request may
// still be signed for another audience.
var errOtherAudience = errors.New("STS does not find it signed for this registry")

// callers is the provider of principals of AWS.
type callers struct {
	Options
	client *http.Client
	memory memory
}

// STS returns the provider for the user "aws", whose password is a presigned
// request for GetCallerIdentity; package presign makes it. It is safe for
// concurrent use.
//
// The request is sent to STS, with the name of this registry in a header that
// must be signed: one that was made for another registry says nothing here.
// A name is an audience of the policy, of which the first eight count. Who was
// recognised is remembered for up to a minute; the policy is not.
func STS(o Options) login.Provider {
	o = o.filled()
	return &callers{Options: o, client: newClient(o.Transport, remain)}
}

func (*callers) Takes(user string) bool { return user == callerUser }

// Login returns the principal that has signed, with its arn, account and
// user_id as claims. Until is when the signed request ends.
func (s *callers) Login(ctx context.Context, c login.Credentials, p *access.Policy) (login.Identity, error) {
	if len(p.Accounts) == 0 {
		return login.Identity{}, refused("the policy names no account of AWS")
	}
	request, err := readPresigned(c.Secret, s.Endpoint, s.Now())
	if err != nil {
		return login.Identity{}, err
	}
	audiences := p.Audiences[:min(len(p.Audiences), maxAudiences)]
	found, err := s.identify(ctx, request, audiences)
	if err != nil {
		return login.Identity{}, err
	}
	if !slices.Contains(p.Accounts, found.Account) {
		return login.Identity{}, refused("the policy does not name the account %s", found.Account)
	}
	who := access.Principal{Kind: access.AWS, Name: found.Account, Subject: found.principal()}
	claims := map[string]any{"arn": found.ARN, "account": found.Account, "user_id": found.UserID}
	if who, err = document.Evaluate(p, who, claims); err != nil {
		return login.Identity{}, refused("evaluate claims: %w", err)
	}
	return login.Identity{Principal: who, Claims: claims, Until: request.until}, nil
}

// identify returns who has signed a request for one of the audiences.
func (s *callers) identify(ctx context.Context, r presigned, audiences []string) (caller, error) {
	if found, ok := s.memory.recall(r, audiences, s.Now()); ok {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, audience := range audiences {
		found, err := s.ask(ctx, r, audience)
		if errors.Is(err, errOtherAudience) {
			continue
		}
		if err == nil {
			s.memory.keep(r, audience, found, s.Now())
		}
		return found, err
	}
	return caller{}, refused("%w", errOtherAudience)
}

// ask has STS say who has signed a request for an audience.
func (s *callers) ask(ctx context.Context, r presigned, audience string) (caller, error) {
	status, body, err := s.send(ctx, r, audience)
	if err != nil {
		return caller{}, fmt.Errorf("ask STS: %w", err)
	}
	if status == http.StatusOK {
		found, err := readCaller(body)
		if err != nil {
			return caller{}, fmt.Errorf("ask STS: %w", err)
		}
		return found, nil
	}
	code := codeOf(body)
	switch {
	case !faultOfSender(status, code):
		return caller{}, fmt.Errorf("ask STS: answer is %d %.100q", status, code)
	case code == "SignatureDoesNotMatch":
		return caller{}, errOtherAudience
	}
	return caller{}, refused("STS answers %d %.100q", status, code)
}

// faultOfSender tells a refusal from STS's own troubles, some of which have a
// status that blames the sender.
func faultOfSender(status int, code string) bool {
	if status != http.StatusBadRequest && status != http.StatusForbidden {
		return false
	}
	return code != "" && !strings.HasPrefix(code, "Throttling") && code != "RequestLimitExceeded"
}

// send replays a request. Its errors do not quote the URL, which is a secret.
func (s *callers) send(ctx context.Context, r presigned, audience string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return 0, nil, errors.New("request cannot be made")
	}
	request.Header.Set(registryHeader, audience)
	request.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(request)
	if err != nil {
		return 0, nil, withoutURL(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	return resp.StatusCode, body, nil
}
