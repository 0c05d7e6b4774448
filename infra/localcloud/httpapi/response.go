package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An answer is what clients get.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// parse makes an answer of what a function returned. A payload that is not of
// the format is an internal error to clients.
func (g *gateway) parse(payload []byte, x *exchange) (answer, error) {
	if int64(len(payload)) > g.dev.MaxResponse {
		x.integrationError = "Response payload size exceeded maximum allowed payload size"
		return answer{}, errInternal
	}
	a, err := g.read(payload)
	if err != nil {
		x.integrationError = "The response from the function is malformed: " + err.Error()
		return answer{}, errInternal
	}
	x.functionStatus = a.status
	return a, nil
}

func (g *gateway) read(payload []byte) (answer, error) {
	a := answer{header: http.Header{}}
	var wrong []error
	encoded, inferred := false, true
	err := members(payload, func(name string, value []byte) {
		var err error
		switch name {
		case "statusCode":
			inferred = string(value) == "null"
			err = json.Unmarshal(value, &a.status)
		case "headers":
			err = readHeaders(value, a.header)
		case "cookies":
			err = readCookies(value, a.header)
		case "body":
			a.body, err = readBody(value)
		case "isBase64Encoded":
			err = json.Unmarshal(value, &encoded)
		}
		wrong = append(wrong, err)
	})
	if inferred {
		return infer(payload)
	}
	if err = errors.Join(err, errors.Join(wrong...), check(a)); err != nil {
		return answer{}, err
	}
	if encoded && !g.dev.RawResponses {
		a.body, err = decode(a.body)
	}
	return a, err
}

// infer is for functions that only return a value: a string is the body, and so
// is the JSON of anything else.
func infer(payload []byte) (answer, error) {
	if !json.Valid(payload) {
		return answer{}, errNotJSON
	}
	a := answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: payload}
	var text string
	if json.Unmarshal(payload, &text) == nil && string(trim(payload)) != "null" {
		a.body = []byte(text)
	}
	return a, nil
}

func readHeaders(value []byte, header http.Header) error {
	if string(value) == "null" {
		return nil
	}
	var wrong error
	err := members(value, func(name string, value []byte) {
		plain, err := unquote(value)
		if err != nil {
			wrong = fmt.Errorf("header %s: %w", name, err)
		}
		header.Add(name, string(plain))
	})
	return errors.Join(err, wrong)
}

func readCookies(value []byte, header http.Header) error {
	var cookies []string
	if err := json.Unmarshal(value, &cookies); err != nil {
		return err
	}
	for _, cookie := range cookies {
		header.Add("Set-Cookie", cookie)
	}
	return nil
}

func readBody(value []byte) ([]byte, error) {
	if string(value) == "null" {
		return nil, nil
	}
	return unquote(value)
}

func decode(body []byte) ([]byte, error) {
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(plain, body)
	return plain[:n], err
}

// check refuses what could not be sent.
func check(a answer) error {
	if a.status < 200 || a.status > 599 {
		return fmt.Errorf("status code %d", a.status)
	}
	for name, values := range a.header {
		if name == "" || strings.ContainsFunc(name, notInToken) {
			return fmt.Errorf("header name %q", name)
		}
		for _, value := range values {
			if strings.ContainsFunc(value, isControl) {
				return fmt.Errorf("header %s: %q", name, value)
			}
		}
	}
	return nil
}

func notInToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// write sends an answer with what the gateway puts on each.
func (g *gateway) write(w http.ResponseWriter, r *http.Request, x *exchange, a answer) {
	a = g.distort(a)
	head := r.Method == http.MethodHead
	length := g.length(head, a)
	header := w.Header()
	maps.Copy(header, a.header)
	for _, name := range []string{"Connection", "Content-Length", "Date", "Upgrade", "Transfer-Encoding"} {
		delete(header, name)
	}
	if header["Content-Type"] == nil {
		header["Content-Type"] = []string{"text/plain; charset=utf-8"}
	}
	header["Apigw-Requestid"] = []string{x.id}
	header["Date"] = []string{time.Now().Add(g.dev.ClockSkew).UTC().Format(http.TimeFormat)}
	if bodiless(a.status) {
		a.body = nil
	} else {
		header["Content-Length"] = []string{length}
	}
	x.status, x.length = a.status, len(a.body)
	w.WriteHeader(a.status)
	if !head && len(a.body) > 0 {
		_, _ = w.Write(a.body) // fails if the client is gone, who is the only one to care
	}
}

// distort is what a gateway might do to answers that is not expected of it.
func (g *gateway) distort(a answer) answer {
	switch {
	case g.dev.Break304 && a.status == http.StatusNotModified:
		a.status, a.body = http.StatusBadGateway, []byte(`{"message":"Bad Gateway"}`)
	case g.dev.Break204 && a.status == http.StatusNoContent:
		a.status, a.body = http.StatusOK, []byte("{}")
	}
	if challenge := a.header["Www-Authenticate"]; challenge != nil && g.dev.RemapAuthenticate {
		delete(a.header, "Www-Authenticate")
		a.header["X-Amzn-Remapped-Www-Authenticate"] = challenge
	}
	return a
}

// length is the Content-Length of an answer: that of the body which the
// function returned, although the one to a HEAD is not sent.
func (g *gateway) length(head bool, a answer) string {
	if head && g.dev.EmptyHead {
		return "0"
	}
	if own := a.header.Get("Content-Length"); head && g.dev.KeepContentLength && own != "" {
		return own
	}
	return strconv.Itoa(len(a.body))
}

// bodiless reports whether answers of a status have no body, not even one of
// length 0.
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}
