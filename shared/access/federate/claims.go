package federate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/berthregistry/berth/shared/access"
)

const maxSubject = 1024 // bytes

// claims are what a token says, by names that are compared letter by letter.
type claims map[string]any

func readClaims(payload []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, errors.New("claims are not a JSON object") // the cause would quote them
	}
	return c, nil
}

// judge returns the principal of claims that trust's issuer has signed and that
// name it, and when they end. They must be meant for this registry and for this
// time (RFC 7519, section 4.1).
func (c claims) judge(p *access.Policy, trust access.Trust, now time.Time) (who access.Principal, until time.Time, err error) {
	if !Meant(p, trust, c) {
		return who, until, refused("token of %s is meant for %.200q, not for this registry", trust.Name, c.audience())
	}
	if until, err = c.period(now); err != nil {
		return who, until, refused("token of %s: %w", trust.Name, err)
	}
	subject, _ := c["sub"].(string)
	if subject == "" || len(subject) > maxSubject || strings.ContainsFunc(subject, unicode.IsControl) {
		return who, until, refused("token of %s has no subject, or one that is no name", trust.Name)
	}
	return access.Principal{Kind: access.Issuer, Name: trust.Name, Subject: subject}, until, nil
}

// Meant says whether claims of trust's issuer are meant for this registry.
func Meant(p *access.Policy, trust access.Trust, c map[string]any) bool {
	ours := trust.Audiences
	if len(ours) == 0 {
		ours = p.Audiences
	}
	return slices.ContainsFunc(claims(c).audience(), func(a string) bool { return slices.Contains(ours, a) })
}

// audience is the aud claim: one text, or several.
func (c claims) audience() []string {
	switch aud := c["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, a := range aud {
			if text, ok := a.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}

// period refuses claims that are not of this time, and returns when they end:
// when a clock that is late by the skew says so.
func (c claims) period(now time.Time) (until time.Time, err error) {
	end, err := c.time("exp")
	if err != nil {
		return until, err
	}
	until = end.Add(skew) // without an exp, long ago
	if !now.Before(until) {
		return until, errors.New("it has expired, or never does")
	}
	for _, name := range []string{"nbf", "iat"} {
		begin, err := c.time(name)
		if err != nil {
			return until, err
		}
		if begin.After(now.Add(skew)) {
			return until, fmt.Errorf("its %s is in the future", name)
		}
	}
	return until, nil
}

// time is a NumericDate; zero if it is not there.
func (c claims) time(name string) (time.Time, error) {
	value, there := c[name]
	if !there {
		return time.Time{}, nil
	}
	seconds, ok := value.(float64)
	if !ok || seconds < 1 || seconds > 1<<40 {
		return time.Time{}, fmt.Errorf("its %s is no time", name)
	}
	return time.Unix(int64(seconds), 0), nil
}
