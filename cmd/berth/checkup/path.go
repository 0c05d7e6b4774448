package checkup

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/probe"
)

// ping is for whoever logs in: that is what clients ask first.
func (v *visit) ping(ctx context.Context) Finding {
	a, err := v.ask(ctx, http.MethodGet, "/v2/", nil)
	if err != nil { // also for want of credentials
		return v.unanswered(ctx, err)
	}
	switch a.status {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return broken(a.String(), "docker login %s, as one who may push and delete", v.URL.Host)
	default:
		return broken(a.String(), "see that the URL is that of a registry, and the next line")
	}
	v.answers = true
	bare, err := v.ask(ctx, http.MethodGet, "/v2", nil)
	switch {
	case err != nil:
		return failed(err)
	case bare.status != http.StatusOK:
		return harmless("/v2: "+bare.String(), "clients ask for /v2/")
	}
	return ok("200 and 200")
}

// unanswered tells a caller without credentials from a network without answers.
func (v *visit) unanswered(ctx context.Context, err error) Finding {
	if a, again := v.send(ctx, v.Anonymous, http.MethodGet, "/v2/", nil); again == nil && a.status == http.StatusUnauthorized {
		return broken(err.Error(), "docker login %s, as one who may push and delete", v.URL.Host)
	}
	return failed(err)
}

func (v *visit) stage(ctx context.Context) Finding {
	e, a, err := v.echo(ctx, http.MethodGet, "", nil)
	switch {
	case err != nil:
		return failed(err)
	case e == nil:
		return unechoed(a)
	case e.Path != probe.EchoPath:
		return broken("arrives as "+e.Path,
			"serve it from the stage $default, and map a domain name to it without a path: names of images have no room for one")
	}
	return ok("arrives as sent")
}

func (v *visit) escape(ctx context.Context) Finding {
	return v.pathArrives(ctx, "/a%2Fb%3Ac", "no name, tag or digest needs an escape")
}

func (v *visit) slashes(ctx context.Context) Finding {
	return v.pathArrives(ctx, "//a///b", "no path of the spec has any")
}

// pathArrives checks that a path behind the echo's arrives as it was sent, which
// nothing depends on.
func (v *visit) pathArrives(ctx context.Context, rest, why string) Finding {
	e, a, err := v.echo(ctx, http.MethodGet, rest, nil)
	switch {
	case err != nil:
		return failed(err)
	case e == nil:
		return unechoed(a)
	case tail(e) != rest:
		return harmless(rest+" arrives as "+tail(e), why)
	}
	return ok("%s arrives as sent", rest)
}

// tail is the path behind the echo's own.
func tail(e *probe.Echo) string {
	_, rest, _ := strings.Cut(e.Path, probe.EchoPath)
	return rest
}

// unechoed is for an answer that is not the probe's.
func unechoed(a answer) Finding {
	return broken(a.String(), "the request did not reach the registry, or not whole: see the lines around this one")
}

// plus sends what types of artifacts have, such as application/spdx+json.
func (v *visit) plus(ctx context.Context) Finding {
	const path, query = "/a+b", "c=d+e%2Bf"
	e, a, err := v.echo(ctx, http.MethodGet, path+"?"+query, nil)
	switch {
	case err != nil:
		return failed(err)
	case e == nil:
		return unechoed(a)
	}
	seen := path + "?" + query + " arrives as " + tail(e) + "?" + e.Query
	switch {
	case !sameQuery(e.Query, query):
		return broken(seen, "nothing can be set: lists of referrers cannot be filtered by a type with a plus sign; tell your clients to filter by themselves")
	case tail(e) != path || e.Query != query:
		return harmless(seen, "it means the same in a query, and no path of the spec has a plus sign")
	}
	return ok("%s?%s arrives as sent", path, query)
}

func (v *visit) query(ctx context.Context) Finding {
	const query = "x=1&x=2&empty=&flag&%C3%A9=%2F&digest=sha256:00"
	e, a, err := v.echo(ctx, http.MethodGet, "?"+query, nil)
	switch {
	case err != nil:
		return failed(err)
	case e == nil:
		return unechoed(a)
	case e.Query == query:
		return ok("as sent, with its repetitions and escapes")
	case sameQuery(e.Query, query):
		return harmless("arrives as "+e.Query, "it means the same")
	}
	return broken("arrives as "+e.Query, "nothing can be set: uploads say their digest and their tags there")
}

// sameQuery says whether two queries mean the same.
func sameQuery(a, b string) bool {
	x, err1 := url.ParseQuery(a)
	y, err2 := url.ParseQuery(b)
	return err1 == nil && err2 == nil && maps.EqualFunc(x, y, slices.Equal)
}
