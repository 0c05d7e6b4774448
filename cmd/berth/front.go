package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// behind returns next for a server that has something in front of it, which
// says in a header where a request came from. Without that all who fail to log
// in would be one address, and block everybody else.
//
// What stands in front appends to what the client may have sent, so the last
// entry counts and no other. One that is no address leaves that of the sender.
func behind(header string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := strings.Join(r.Header.Values(header), ",")
		last := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
		if ip, err := netip.ParseAddr(last); err == nil {
			r.RemoteAddr = net.JoinHostPort(ip.String(), "0") // the port is not told
		}
		next.ServeHTTP(w, r)
	})
}
