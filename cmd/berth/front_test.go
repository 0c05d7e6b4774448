package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWhereARequestCameFrom(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   string
	}{
		{nil, "192.0.2.1:1234"},
		{[]string{"198.51.100.7"}, "198.51.100.7:0"},
		{[]string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7:0"},
		{[]string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7:0"},
		{[]string{"2001:db8::1"}, "[2001:db8::1]:0"},
		{[]string{"198.51.100.7, unknown"}, "192.0.2.1:1234"},
		{[]string{"198.51.100.7,"}, "192.0.2.1:1234"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/", nil)
		r.Header["X-Forwarded-For"] = c.values
		behind("X-Forwarded-For", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.RemoteAddr != c.want {
				t.Errorf("%q: got %s, want %s", c.values, r.RemoteAddr, c.want)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}

// Who fails to log in too often blocks their own address, and not that of
// whatever stands in front.
func TestStrangersDoNotBlockEverybodyBehindAProxy(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, http.StatusTooManyRequests}, // what is not trusted says nothing
		{[]string{"--address-header", "x-forwarded-for"}, http.StatusOK},
	} {
		g := startGuarded(t, t.TempDir(), accessPolicy, c.args...)
		from := func(address, user, secret string) int {
			r, err := http.NewRequestWithContext(t.Context(), "GET", g.url+"/v2/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", address)
			r.SetBasicAuth(user, secret)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		for range 50 {
			from("203.0.113.9", "oidc", "no.jwt")
		}
		if got := from("203.0.113.9", "root", "correct horse"); got != http.StatusTooManyRequests {
			t.Errorf("%q: who has failed: got %d, want 429", c.args, got)
		}
		if got := from("198.51.100.7", "root", "correct horse"); got != c.want {
			t.Errorf("%q: somebody else: got %d, want %d", c.args, got, c.want)
		}
	}
}
