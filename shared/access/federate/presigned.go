package federate

import (
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	maxPassword    = 8 << 10 // bytes; session tokens may be long
	maxExpiry      = 15 * time.Minute
	dateForm       = "20060102T150405Z"
	registryHeader = "X-Berth-Registry"
)

// A presigned request for GetCallerIdentity has these parameters and no others,
// each of them once: of two, STS might read the other one.
var (
	fixed = map[string]string{
		"Action":              "GetCallerIdentity",
		"Version":             "2011-06-15",
		"X-Amz-Algorithm":     "AWS4-HMAC-SHA256",
		"X-Amz-SignedHeaders": "host;x-berth-registry",
	}
	shaped = map[string]*regexp.Regexp{
		"X-Amz-Credential":     regexp.MustCompile(`^[A-Za-z0-9]+/[0-9]+/[a-z0-9-]+/sts/aws4_request$`),
		"X-Amz-Date":           regexp.MustCompile(`^[0-9]+T[0-9]+Z$`),
		"X-Amz-Expires":        regexp.MustCompile(`^[1-9][0-9]?[0-9]?$`),
		"X-Amz-Signature":      regexp.MustCompile(`^[0-9a-f]+$`),
		"X-Amz-Security-Token": regexp.MustCompile(`^[!-~]+$`),
	}
)

const optional = "X-Amz-Security-Token" // keys that last have none

// awsHost is where STS is. A region is two letters, words and a number: what
// customers of AWS may name themselves below amazonaws.com, as buckets and load
// balancers, looks otherwise.
var awsHost = regexp.MustCompile(`^sts((-fips)?\.[a-z]{2}(-[a-z]+){1,2}-[0-9])?\.amazonaws\.com$|^sts\.cn(-[a-z]+){1,2}-[0-9]\.amazonaws\.com\.cn$`)

// A presigned is a request that can lead nowhere but to STS, and asks it
// nothing but who has signed.
type presigned struct {
	url   string
	until time.Time
}

// readPresigned reads a password: the URL of a presigned request in base64url.
// Its errors say what is wrong without quoting it.
func readPresigned(password string, endpoint *url.URL, now time.Time) (presigned, error) {
	if len(password) > maxPassword {
		return presigned{}, refused("signed request is too large")
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(password, "="))
	if err != nil {
		return presigned{}, refused("signed request is not base64url")
	}
	u, err := url.Parse(string(text))
	if err != nil {
		return presigned{}, refused("signed request is no URL")
	}
	if err := checkPlace(u, endpoint); err != nil {
		return presigned{}, refused("signed request: %w", err)
	}
	query, err := readQuery(u.RawQuery)
	if err != nil {
		return presigned{}, refused("signed request: %w", err)
	}
	until, err := lifetime(query, now)
	if err != nil {
		return presigned{}, refused("signed request: %w", err)
	}
	// What is sent is made anew of what was checked.
	again := url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/", RawQuery: query.Encode()}
	return presigned{again.String(), until}, nil
}

// checkPlace refuses what is not STS, or what plays it.
func checkPlace(u, endpoint *url.URL) error {
	scheme, known := "https", awsHost.MatchString(u.Host)
	if endpoint != nil {
		scheme, known = endpoint.Scheme, u.Host == endpoint.Host
	}
	switch {
	case u.Scheme != scheme || !known:
		return errors.New("it does not go to STS")
	case u.Path != "/" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return errors.New("it has more than a host and a query")
	}
	return nil
}

// readQuery reads the parameters, each of which must be as it should.
func readQuery(text string) (url.Values, error) {
	query, err := url.ParseQuery(text)
	if err != nil {
		return nil, errors.New("its query cannot be parsed")
	}
	for name, values := range query {
		want, pinned := fixed[name]
		shape, known := shaped[name]
		switch {
		case !pinned && !known:
			return nil, errors.New("it has a parameter that does not belong to it")
		case len(values) != 1 || pinned && values[0] != want || known && !shape.MatchString(values[0]):
			return nil, errors.New("its " + name + " is not what it must be")
		}
	}
	wanted := len(fixed) + len(shaped)
	if !query.Has(optional) {
		wanted--
	}
	if len(query) != wanted {
		return nil, errors.New("it lacks a parameter")
	}
	return query, nil
}

// lifetime refuses a request that is not of this time, and returns its end. STS
// does so too; here it costs nobody a request.
func lifetime(query url.Values, now time.Time) (until time.Time, err error) {
	date := query.Get("X-Amz-Date")
	begin, err := time.Parse(dateForm, date)
	if err != nil || !strings.Contains(query.Get("X-Amz-Credential"), "/"+date[:len("20060102")]+"/") {
		return until, errors.New("its date is none, or not that of its credential")
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	expiry := time.Duration(seconds) * time.Second
	if err != nil || expiry > maxExpiry {
		return until, errors.New("it is good for too long")
	}
	until = begin.Add(expiry)
	if begin.After(now.Add(skew)) || !now.Before(until) {
		return until, errors.New("it has expired, or is of the future")
	}
	return until, nil
}
