package probe

import (
	"net/http"
	"strconv"
	"strings"
)

// refusal is the body of a 401 in the spec's form.
const refusal = `{"errors":[{"code":"UNAUTHORIZED","message":"this is a probe; nobody can log in to it"}]}`

func challenge(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Www-Authenticate", Challenge)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(refusal)))
	w.WriteHeader(http.StatusUnauthorized)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(refusal)) // a client that hung up is not told
	}
}

// filler is text, so that it needs no base64 on its way.
var filler = strings.Repeat(".", Size)

func announced(w http.ResponseWriter, r *http.Request) {
	length(w)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(filler))
	}
}

func counted(w http.ResponseWriter) {
	length(w)
	_, _ = w.Write([]byte(filler)) // to a socket net/http sends none of it
}

func length(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(Size))
}
