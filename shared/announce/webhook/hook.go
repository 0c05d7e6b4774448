package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/berthregistry/berth/shared/announce"
)

// maxURL is the longest URL of a hook, in bytes.
const maxURL = 2 << 10

// A Hook is where events are to be brought.
type Hook struct {
	// URL may have credentials and a query, which go nowhere but to its host.
	URL *url.URL
	// Secrets sign. It is asked at each request, so that another secret needs no
	// restart.
	Secrets func() ([]Secret, error)
	// Wants says which events the hook gets; nil stands for all.
	Wants func(announce.Event) bool
}

// ParseURL reads where a hook is. Errors do not repeat the URL.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("this is not the URL of a webhook, such as https://ci.example.com/hook")
	case u.Fragment != "":
		return nil, errors.New("the URL of a webhook has no fragment (#)")
	case len(text) > maxURL:
		return nil, fmt.Errorf("the URL is longer than %d bytes", maxURL)
	}
	return u, nil
}

// idLength is how much of a hash tells hooks apart, in hexadecimal digits.
const idLength = 16

// ID is what a hook's events are kept by. It does not change with credentials
// and query: those are replaced, and what waits is still owed to the same place.
func (h Hook) ID() string {
	place := strings.ToLower(h.URL.Scheme+"://"+h.URL.Host) + h.URL.EscapedPath()
	sum := sha256.Sum256([]byte(place))
	return hex.EncodeToString(sum[:])[:idLength]
}

// Place is what people are told of a hook: scheme and host. Many services put
// their secret into the path.
func (h Hook) Place() string { return h.URL.Scheme + "://" + h.URL.Host }
