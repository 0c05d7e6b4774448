package checkup

import (
	"context"
	"net/http"
	"strings"

	"github.com/berthregistry/berth/shared/probe"
)

func (v *visit) commas(ctx context.Context) Finding {
	const back = `a, b;c="d, e"`
	lines := []string{"a/b;q=0.5, c/d", "e/f"}
	e, a, err := v.echo(ctx, http.MethodGet, "", nil, "Accept", lines[0], "Accept", lines[1], probe.HeaderBack, back)
	switch {
	case err != nil:
		return failed(err)
	case e == nil:
		return unechoed(a)
	}
	if got := strings.Join(e.Header["Accept"], ","); spaceless(got) != spaceless(strings.Join(lines, ",")) {
		return broken("Accept arrives as "+got, "nothing can be set: clients may be given a manifest of a type they cannot read")
	}
	if got := a.header.Values(probe.HeaderBack); len(got) != 1 || got[0] != back {
		return broken("a header comes back as "+strings.Join(got, " | "), "nothing can be set: challenges and links have commas")
	}
	return ok("as sent; %s of Accept", plural(len(e.Header["Accept"]), "line"))
}

func spaceless(s string) string { return strings.ReplaceAll(s, " ", "") }

const (
	// token is the size of the largest tokens that clients were seen to carry.
	token = 9000
	// company is the size of the headers that clients send beside it: what they
	// accept, who they are.
	company = 512
)

func (v *visit) requestHeader(ctx context.Context) Finding {
	e, a, err := v.padded(ctx, token+company)
	switch {
	case err != nil:
		return failed(err)
	case e != nil:
		return ok("%d bytes pass", token+company)
	}
	const step = 64
	most := largest(token+company, step, func(n int) bool {
		e, _, err := v.padded(ctx, n)
		return err == nil && e != nil
	})
	return differs(a.String(), "nothing can be set: tell your clients that a token may have %d bytes, no more; one with fewer scopes is shorter", max(most-company, 0))
}

// padded asks for an echo with so many bytes of header.
func (v *visit) padded(ctx context.Context, n int) (*probe.Echo, answer, error) {
	return v.echo(ctx, http.MethodGet, "", nil, "Berth-Padding", strings.Repeat("x", n))
}

// largest finds by halving the largest multiple of step below failing that
// passes, 0 if none does.
func largest(failing, step int, passes func(int) bool) int {
	low, high := 0, (failing+step-1)/step // in steps; low passes, high does not
	for high-low > 1 {
		if middle := (low + high) / 2; passes(middle * step) {
			low = middle
		} else {
			high = middle
		}
	}
	return low * step
}

// answerHeader asks for twice as much as OCI-Referrers-Artifact-Types may have.
func (v *visit) answerHeader(ctx context.Context) Finding {
	long := strings.Repeat("x", 4<<10)
	e, a, err := v.echo(ctx, http.MethodGet, "", nil, probe.HeaderBack, long)
	switch {
	case err != nil:
		return failed(err)
	case e == nil || a.get(probe.HeaderBack) != long:
		return differs(a.String(), "ReferrersHeader=off: the types of a manifest's referrers may make a header of 2 KiB")
	}
	return ok("it comes back whole")
}

// remapped is what REST APIs and function URLs make of WWW-Authenticate.
const remapped = "X-Amzn-Remapped-Www-Authenticate"

func (v *visit) challenge(ctx context.Context) Finding {
	a, err := v.send(ctx, v.Anonymous, http.MethodGet, probe.ChallengePath, nil)
	if err != nil {
		return failed(err)
	}
	const advice = "nothing can be set: clients log in only when WWW-Authenticate asks for it, so nobody can be asked who they are"
	got := a.header.Values("Www-Authenticate")
	switch {
	case a.status != http.StatusUnauthorized:
		return broken(a.String(), advice)
	case len(got) == 1 && got[0] == probe.Challenge:
		return ok("WWW-Authenticate, unchanged")
	case a.get(remapped) != "":
		return broken("it is called "+remapped, advice)
	case len(got) > 0:
		return broken("it arrives as "+strings.Join(got, " | "), advice)
	}
	return broken("it is gone", advice)
}
