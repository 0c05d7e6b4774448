package absent

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"slices"
)

// impersonal are the headers, in Go's canonical form, that do not say who asks:
// what is wanted, in which form, on account of what. Any other one may be a key.
var impersonal = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Cache-Control": true, "Pragma": true,
	"If-Match": true, "If-Modified-Since": true, "If-None-Match": true, "If-Range": true, "If-Unmodified-Since": true, "Range": true,
	"Connection": true, "Content-Length": true, "Content-Type": true, "Te": true, "User-Agent": true,
	headerReferrers: true, headerRef: true, "Oci-Named-Ref": true, "Docker-Manifest-Tag": true, "Docker-Manifest-Digest": true,
	"Baggage": true, "Traceparent": true, "Tracestate": true, "X-Amzn-Trace-Id": true, "X-Request-Id": true,
}

// whose tells apart who may be shown different things. Secrets are not kept.
func whose(h http.Header) (who [sha256.Size]byte) {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if impersonal[name] {
			continue
		}
		for _, s := range append([]string{name}, h[name]...) {
			hash.Write([]byte(s + "\x00")) // which no header has
		}
		hash.Write([]byte{0})
	}
	hash.Sum(who[:0])
	return who
}
