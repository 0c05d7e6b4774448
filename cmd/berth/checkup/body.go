package checkup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/probe"
)

// octets are all values of a byte, which are not UTF-8.
var octets = func() (all []byte) {
	for b := range 256 {
		all = append(all, byte(b))
	}
	return all
}()

// text is UTF-8 that a careless door would change: line ends, a zero, what
// JSON escapes and what JavaScript cannot have in a string.
const text = "\ufeff{\"a\":\"<é✓&>\"}\r\n\u2028\u0000\u007f\U0001f6a2 \n"

const octetStream = "application/octet-stream"

func (v *visit) body(ctx context.Context) Finding {
	for _, contentType := range []string{octetStream, ""} {
		if f, whole := v.arrives(ctx, contentType, octets); !whole {
			f.Advice = "nothing can be set: layers are sent so, and would arrive damaged"
			return f
		}
	}
	return ok("as %s and without a type", octetStream)
}

func (v *visit) bodyOCI(ctx context.Context) Finding {
	types := []string{oci.MediaTypeImage, oci.MediaTypeIndex, "application/vnd.docker.distribution.manifest.v2+json"}
	for _, contentType := range types {
		if f, whole := v.arrives(ctx, contentType, []byte(text)); !whole {
			f.Advice = "nothing can be set: manifests are sent so, and would arrive damaged"
			return f
		}
		if f, whole := v.arrives(ctx, contentType, octets); !whole {
			return harmless(f.Seen, "a manifest is UTF-8, which does arrive; layers are sent as "+octetStream)
		}
	}
	return ok("manifests and indexes, of Docker too")
}

func (v *visit) bodyText(ctx context.Context) Finding {
	for _, contentType := range []string{"text/plain", "application/json"} {
		if f, whole := v.arrives(ctx, contentType, []byte(text)); !whole {
			f.Verdict, f.Advice = Differs, "tell your clients to send layers as "+octetStream+"; those we know do"
			return f
		}
	}
	if _, whole := v.arrives(ctx, "text/plain", octets); !whole {
		return ok("as sent; what only calls itself text does not, and none of our clients does that")
	}
	return ok("as sent")
}

// arrives says whether the probe gets a body as it was sent.
func (v *visit) arrives(ctx context.Context, contentType string, body []byte) (Finding, bool) {
	header := []string{}
	if contentType != "" {
		header = []string{"Content-Type", contentType}
	}
	e, a, err := v.echo(ctx, http.MethodPost, "", body, header...)
	switch {
	case err != nil:
		return failed(err), false
	case e == nil:
		return unechoed(a), false
	case !isOf(e, body):
		what := strings.TrimSpace("a body " + contentType)
		return broken(what+" arrives changed: "+plural(int(e.Length), "byte")+" of "+plural(len(body), "byte"), ""), false
	}
	return Finding{}, true
}

// isOf says whether an echo is of a body.
func isOf(e *probe.Echo, body []byte) bool {
	sum := sha256.Sum256(body)
	return e.Length == int64(len(body)) && e.SHA256 == hex.EncodeToString(sum[:])
}
