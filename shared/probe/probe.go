// Package probe answers what a registry never would, so that berth doctor can
// see what the front door in between does to requests and answers.
//
// It is below /v2/_berth/, which the spec leaves to extensions and no
// repository can be called. Anybody may ask: it stores nothing, reads nothing
// that is stored, and tells a caller only about the caller's own request.
package probe

import (
	"net/http"
	"strings"
)

// Base is what the paths of the probe begin with.
const Base = "/v2/_berth/"

// The probe's endpoints, each a path.
const (
	// ChallengePath answers 401 with Challenge as its WWW-Authenticate.
	ChallengePath = Base + "challenge"
	// EchoPath answers any method, and any path below, with an Echo as JSON.
	EchoPath = Base + "echo"
	// AnnouncedPath answers HEAD with a Content-Length of Size and no body, as a
	// server does whose clients are at the other end of the socket.
	AnnouncedPath = Base + "announced"
	// CountedPath answers HEAD with a body of Size bytes, for a door that loses
	// the Content-Length of an answer to HEAD and counts the body instead.
	CountedPath = Base + "counted"
)

// Challenge has what a challenge of a registry has: commas and quotes.
const Challenge = `Bearer realm="https://berth.invalid/token",service="berth",scope="repository:probe:pull,push"`

// Size is the length of the answers to HEAD in bytes. No door comes by it on
// its own.
const Size = 1021

// New returns a handler which answers the paths of the probe, and leaves all
// others to next.
func New(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := own(r.URL.Path)
		switch {
		case ok && path == ChallengePath:
			challenge(w, r)
		case ok && path == AnnouncedPath:
			announced(w, r)
		case ok && path == CountedPath:
			counted(w)
		case ok && (path == EchoPath || strings.HasPrefix(path, EchoPath+"/")):
			echo(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// own returns the path from Base on. A door may put a stage in front, where the
// registry is not found any more: the echo is, and shows it.
func own(path string) (string, bool) {
	if strings.HasPrefix(path, Base) {
		return path, true
	}
	if strings.HasPrefix(path, "/v2/") {
		return "", false // the registry's to answer, whatever follows
	}
	i := strings.Index(path, Base)
	if i < 0 {
		return "", false
	}
	return path[i:], true
}
