// Package checkup examines a registry from outside: whether what stands in
// front of it treats requests and answers as the registry assumes.
//
// Nothing of what is assumed about Amazon's API Gateway can be seen from
// within. So a probe (package probe) shows how requests arrive, and an artifact
// of a name that nobody else has is pushed, pulled and deleted again.
package checkup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A Doer sends requests and follows no redirect, as an http.Client can be told.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Config says what to examine.
type Config struct {
	// URL is where the registry is: scheme and host, and nothing else.
	URL *url.URL
	// Repository is where the artifact is pushed to. What else is in it stays
	// as it is.
	Repository string
	// Client sends the caller's credentials to whoever asks for them.
	Client Doer
	// Anonymous never sends any. It is what asks the probe and what follows
	// redirects: no credentials of the registry are for another host.
	Anonymous Doer
}

// Examine makes all checks, one after the other: some 40 MiB up and 20 MiB down,
// more where a limit has to be searched for. It removes what it pushed, also when a check fails half-way or ctx ends;
// ending ctx lets a write under way be answered first. With an error of ctx
// comes a report of what was seen until then. Any other error means that there
// is nothing at the URL that answers.
func Examine(ctx context.Context, c Config) (Report, error) {
	v := &visit{Config: c, id: newID()}
	if err := v.knock(ctx); err != nil {
		return Report{}, fmt.Errorf("knock at %s: %w", c.URL, err)
	}
	report := Report{Registry: c.URL.String(), Gateway: v.gateway}
	for _, check := range checks {
		if ctx.Err() != nil {
			break
		}
		if f := v.examine(ctx, check); ctx.Err() == nil { // an interrupted one says nothing
			report.Findings = append(report.Findings, f)
		}
	}
	// What was pushed goes, whatever happened.
	report.Findings = append(report.Findings, v.leave(context.WithoutCancel(ctx)))
	if ctx.Err() != nil {
		return report, fmt.Errorf("examine %s: %w", c.URL, ctx.Err())
	}
	return report, nil
}

// A check is about one assumption.
type check struct {
	name       string
	assumption string
	needs      func(*visit) error // what keeps it from being made, or nil
	look       func(*visit, context.Context) Finding
}

// checks are all but the last, that everything can be removed. Each may rely on
// what those before it have noted in the visit.
var checks = []check{
	{"ping", "/v2/ and /v2 are answered", nothing, (*visit).ping},
	{"stage", "no stage is put in front of a path", aProbe, (*visit).stage},
	{"escape", "%2F in a path stays undecoded", aProbe, (*visit).escape},
	{"plus", "+ stays + in path and query", aProbe, (*visit).plus},
	{"slashes", "double slashes in a path stay", aProbe, (*visit).slashes},
	{"query", "the query arrives as it was sent", aProbe, (*visit).query},
	{"commas", "headers keep their commas, both ways", aProbe, (*visit).commas},
	{"request-header", "a token of 9000 bytes fits the header", aProbe, (*visit).requestHeader},
	{"answer-header", "an answer may have 4 KiB of header", aProbe, (*visit).answerHeader},
	{"challenge", "a 401 keeps its WWW-Authenticate", aProbe, (*visit).challenge},
	{"login", "whoever is unknown hears where to log in", nothing, (*visit).login},
	{"body", "bodies arrive byte for byte", aProbe, (*visit).body},
	{"body-oci", "bodies of OCI types arrive byte for byte", aProbe, (*visit).bodyOCI},
	{"body-text", "bodies of text arrive byte for byte", aProbe, (*visit).bodyText},
	{"no-content", "a 204 has no body", aRegistry, (*visit).noContent},
	{"request-size", "OCI-Chunk-Max-Length is what passes", aProbe, (*visit).requestSize},
	{"request-over", "a larger request is refused with 413", aProbe, (*visit).requestOver},
	{"push", "an artifact can be pushed", aRegistry, (*visit).push},
	{"manifest", "a manifest comes back byte for byte", aManifest, (*visit).manifest},
	{"manifest-head", "HEAD of a manifest tells its length", aManifest, (*visit).manifestHead},
	{"not-modified", "a 304 has no body", aManifest, (*visit).notModified},
	{"referrers", "OCI-Referrers arrives and is true", aManifest, (*visit).referrers},
	{"blob-small", "small blobs come back byte for byte", aPiece(small), (*visit).smallBlobs},
	{"blob-inline", "a blob of 4 MiB fits an answer", aPiece(inline), (*visit).inlineBlob},
	{"blob-large", "a blob of 5 MiB comes from the bucket", aPiece(large), (*visit).largeBlob},
	{"blob-range", "a pull that broke off can go on", aPiece(large), (*visit).rangeOfBlob},
	{"blob-head", "HEAD of a blob tells its length", aPiece(large), (*visit).blobHead},
	{"direct", "layers can go straight to the bucket", aPiece(large), (*visit).direct},
	{"head-length", "the length of a HEAD is counted", aProbe, (*visit).headLength},
	{"clock", "all clocks agree", nothing, (*visit).clock},
	{"throttling", "a busy registry is answered 503", never, nil},
}

// examine makes one check, or says why not.
func (v *visit) examine(ctx context.Context, c check) Finding {
	var f Finding
	if why := c.needs(v); why != nil {
		f = skipped(why.Error())
	} else {
		f = c.look(v, ctx)
	}
	f.Name, f.Assumption = c.name, c.assumption
	return f
}

func nothing(*visit) error { return nil }

func aProbe(v *visit) error {
	if !v.probed {
		return errors.New("there is no probe: another registry, or an older Berth")
	}
	return nil
}

func aRegistry(v *visit) error {
	if !v.answers {
		return errors.New("/v2/ is not answered")
	}
	return nil
}

func aManifest(v *visit) error {
	if v.artifact.subject.digest == "" {
		return errors.New("the artifact could not be pushed")
	}
	return nil
}

func aPiece(name string) func(*visit) error {
	return func(v *visit) error {
		if _, ok := v.artifact.blobs[name]; !ok {
			return errors.New("the blob could not be pushed")
		}
		return nil
	}
}

// never is for what cannot be seen without harm.
func never(*visit) error {
	return errors.New("not provoked: it would take the whole account's concurrency")
}

// A visit is one examination, and what was noted in it so far.
type visit struct {
	Config
	id string // that nobody else has

	gateway bool // an HTTP API is in front
	probed  bool // the probe answers
	answers bool // /v2/ does

	begun     bool  // an upload could be, and what it announced is known
	announced int64 // OCI-Chunk-Max-Length, 0 if none
	chunk     int64 // size of a request body that passes, 0 while that is not known

	artifact artifact
	heads    *heads        // what happens to the length of a HEAD, nil while not known
	bucket   time.Duration // how much its clock is ahead of this machine's
	reached  bool          // the bucket was, so that bucket is known
}
