package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// amend makes an answer of the registry one of the proxy's.
func (v *visit) amend(resp *http.Response) error {
	for name := range resp.Header {
		if notForClients(name) {
			resp.Header.Del(name)
		}
	}
	v.relocate(resp)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return errLogin
	case resp.StatusCode >= http.StatusBadRequest:
		return spell(resp)
	case resp.StatusCode == http.StatusOK:
		v.learn(resp)
	}
	return nil
}

// notForClients says of headers that they are between the registry and the
// proxy: how to log in, which is not the client's business; and, for browsers,
// which pages may read what comes from there. Here it comes from this machine,
// and that is for none of them.
func notForClients(name string) bool {
	switch name {
	case "Www-Authenticate", "Set-Cookie", "Strict-Transport-Security", "Alt-Svc":
		return true
	}
	return strings.HasPrefix(name, "Access-Control-")
}

// relocate keeps those at the proxy who are sent elsewhere below the registry's
// /v2/, in the form that every client understands. The next page of a list is
// linked likewise. Who is sent to anywhere else goes there: to another host, or to
// this one, as by Google's registries to its layers.
func (v *visit) relocate(resp *http.Response) {
	origin := v.to.Scheme + "://" + v.to.Host
	if at, err := resp.Location(); err == nil {
		place := at.String()
		if path, ok := strings.CutPrefix(place, origin+"/v2/"); ok {
			place = "/v2/" + path
		}
		resp.Header.Set("Location", place)
	}
	links := resp.Header["Link"]
	for i, link := range links {
		links[i] = strings.ReplaceAll(link, "<"+origin+"/", "</")
	}
}

// maxError is the longest error of a registry that is passed on, in bytes.
const maxError = 1 << 20

// spell puts an error into the words of the spec that has others: of a load
// balancer, or a gateway that is asked too much. Some clients try again only if
// they find the right word.
func spell(resp *http.Response) error {
	if resp.Request.Method == http.MethodHead {
		return nil
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	if !spelt(said) {
		said = encode(errorItem{Code: code(resp.StatusCode), Message: "the registry answered " + resp.Status})
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Body = io.NopCloser(bytes.NewReader(said))
	resp.ContentLength = int64(len(said))
	resp.Header.Set("Content-Length", strconv.Itoa(len(said)))
	resp.Header.Del("Content-Encoding")
	return nil
}

// spelt says whether a body is an error as the spec has it.
func spelt(body []byte) bool {
	var said errorBody
	return json.Unmarshal(body, &said) == nil && len(said.Errors) > 0 && said.Errors[0].Code != ""
}

// maxLearnt is the size of the largest manifest that is looked into, in bytes.
const maxLearnt = 1 << 20

// learn remembers which tag led a client to a manifest, and then to what that
// lists.
func (v *visit) learn(resp *http.Response) {
	if v.target.kind != kindManifest || resp.Request.Method != http.MethodGet && resp.Request.Method != http.MethodHead {
		return
	}
	by := lead{tag: v.target.tag(), tagged: true}
	at, err := oci.ParseDigest(resp.Header.Get("Docker-Content-Digest"))
	if by.tag != "" && err == nil {
		v.trail.add(v.target.repo, by, at)
	}
	if by.tag == "" {
		by, _ = v.trail.to(v.target.repo, v.target.digest())
	}
	if by.tag != "" && resp.ContentLength <= maxLearnt {
		by.tagged = false
		resp.Body = &overheard{ReadCloser: resp.Body, heard: func(manifest []byte) {
			v.trail.add(v.target.repo, by, children(manifest)...)
		}}
	}
}

// overheard is a body that somebody else is told of when it was read to its end.
type overheard struct {
	io.ReadCloser
	body  []byte
	heard func([]byte) // nil once it was told, or if it is too long
}

func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if o.heard == nil {
		return n, err
	}
	o.body = append(o.body, p[:n]...)
	switch {
	case len(o.body) > maxLearnt:
		o.heard, o.body = nil, nil
	case errors.Is(err, io.EOF):
		o.heard(o.body)
		o.heard, o.body = nil, nil
	}
	return n, err
}

// passOn answers with an answer of the registry, which the caller closes.
func (v *visit) passOn(w http.ResponseWriter, resp *http.Response) error {
	if err := v.amend(resp); err != nil {
		return err
	}
	for _, name := range []string{"Content-Length", "Content-Type", "Docker-Content-Digest", "Location", "Retry-After", "Warning"} {
		if values := resp.Header.Values(name); len(values) > 0 {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(resp.Body, maxError)) // a client that hung up is not told
	return nil
}
