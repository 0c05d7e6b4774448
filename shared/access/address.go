package access

import "net"

// AddressOf returns the address of whoever made a request, without the port of
// http.Request.RemoteAddr. Failed logins are counted by it and logs tell it, so
// both read it here.
func AddressOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
