package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/berthregistry/berth/shared/gateway"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// image returns the config and the manifest of an image with these layers.
func image(layers ...[]byte) (config, manifest []byte) {
	config = []byte(`{"architecture":"arm64","os":"linux"}`)
	list := ""
	for i, layer := range layers {
		if i > 0 {
			list += ","
		}
		list += fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}`, digest(layer), len(layer))
	}
	return config, fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[%s]}`,
		manifestType, digest(config), len(config), list)
}

// event is a request as the gateway hands it to a function.
func event(method, path, query, contentType string, body []byte) gateway.Request {
	var e gateway.Request
	e.Version, e.RawPath, e.RawQueryString = "2.0", path, query
	e.Headers = map[string]string{"host": "registry.test", "user-agent": "test"}
	if contentType != "" {
		e.Headers["content-type"] = contentType
	}
	e.RequestContext.DomainName = "registry.test"
	e.RequestContext.RequestID = "a-request"
	e.RequestContext.HTTP.Method = method
	e.RequestContext.HTTP.SourceIP = "203.0.113.24"
	if len(body) > 0 {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}
