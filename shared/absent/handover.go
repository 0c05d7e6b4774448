package absent

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// handed are the headers of answers that are true as long as the bytes are. Whether
// there are referrers is not among them.
var handed = []string{
	"Cache-Control", "Content-Type", "Date", "Docker-Content-Digest", "Docker-Distribution-Api-Version", "Etag", "Vary", "Warning",
}

// handOver answers with a manifest that was fetched ahead, once: for who has it the
// registry was asked, and for another it is. That something is there may have
// changed, other than the bytes; so HEAD, which asks for just that, is answered for
// a moment only. It returns nil if the registry is to answer.
func (t *Transport) handOver(req *http.Request, at place) *http.Response {
	if !t.Ahead || req.URL.RawQuery != "" || hasBody(req) || isParticular(req.Header) || req.Context().Err() != nil {
		return nil
	}
	isHead := req.Method == http.MethodHead
	m := t.memory.take(at.note(req), !isHead, func(m *manifest) bool {
		return accepts(req.Header, m.header.Get("Content-Type")) && (!isHead || age(m.asked) < t.moment())
	})
	if m == nil {
		return nil
	}
	header := m.header.Clone()
	header.Set("Age", strconv.Itoa(int(age(m.asked).Seconds()))) // nobody takes it for new
	return ok(req, header, m.body)
}

func isParticular(h http.Header) bool {
	for _, name := range particular {
		if len(h.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// accepts says whether a client names a media type among those that it takes, with
// no further condition.
func accepts(h http.Header, mediaType string) bool {
	mediaType = oci.BareMediaType(mediaType)
	for one := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		switch one = strings.TrimSpace(one); {
		case one == "*/*", one != "" && strings.EqualFold(one, mediaType):
			return true
		}
	}
	return false
}
