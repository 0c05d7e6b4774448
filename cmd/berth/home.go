package main

import (
	"io"
	"net/http"
	"strings"
)

// athome keeps a registry that is open to this machine from being open to every
// page that a browser on it shows. A page may have its own name stand for
// 127.0.0.1, and so be of the same origin; then the name gives it away. One that
// goes to 127.0.0.1 itself is told by what browsers say of it.
//
// What stands in front and lets others in has a name of its own as well. Who is
// turned away is told what to do if that is meant.
func athome(next http.Handler, ifMeant string) http.Handler {
	elsewhere := `{"errors":[{"code":"DENIED","message":"this registry is open to this machine only, and not known by that name: ` + ifMeant + `"}]}`
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isHere(strings.ToLower(r.Host)) || r.Host == "[::1]" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusMisdirectedRequest)
		_, _ = io.WriteString(w, elsewhere) // a client that hung up is not told
	})
}
