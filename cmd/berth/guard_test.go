package main

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Nothing is open to other machines by accident.
func TestOpenIsSaid(t *testing.T) {
	for _, c := range []struct {
		listen  string
		policy  givenFile
		open    bool
		refused bool
	}{
		{"127.0.0.1:5000", "", false, false},
		{"localhost:5000", "", false, false},
		{"[::1]:5000", "", false, false},
		{"127.0.0.1:5000", "", true, false},
		{":5000", "", false, true},
		{"0.0.0.0:5000", "", false, true},
		{"[::]:5000", "", false, true},
		{"192.0.2.1:5000", "", false, true},
		{"localhost.example.org:5000", "", false, true},
		{"127.0.0.1.example.org:5000", "", false, true},
		{"0.0.0.0:5000", "", true, false},
		{"0.0.0.0:5000", "policy.yaml", false, false},
	} {
		s := serve{Listen: c.listen, Policy: c.policy, Open: c.open, TokenLife: 5 * time.Minute}
		err := s.checkAccess()
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "give a --policy, or --open if that is meant") {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	fronted := serve{Listen: "127.0.0.1:5000", URL: "https://registry.test", TokenLife: 5 * time.Minute}
	if err := fronted.checkAccess(); err == nil || !strings.Contains(err.Error(), "https://registry.test can be reached by others") {
		t.Errorf("with something in front: got %v", err)
	}
	if fronted.Open = true; fronted.checkAccess() != nil {
		t.Error("with something in front, and meant to be open: got an error")
	}
}

// A variable that was never set is no wish to be open.
func TestAPolicyIsNotEmpty(t *testing.T) {
	data := t.TempDir()
	berth(t, "", "serve", "--listen", "nowhere", "--data", data, "--policy", "").wants(t, 2, "--policy: it is given, and is empty")
	t.Setenv("BERTH_POLICY", "")
	berth(t, "", "serve", "--listen", "nowhere", "--data", data).wants(t, 2, "--policy: it is given, and is empty")
}

func TestStartLineSaysToWhomItIsOpen(t *testing.T) {
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	everywhere := &net.TCPAddr{IP: net.IPv4zero}
	for _, c := range []struct {
		policy givenFile
		addr   net.Addr
		want   string
	}{
		{"", here, ", open to everybody on this machine"},
		{"", everywhere, ", open to everybody who reaches it"},
		{"policy.yaml", everywhere, ""},
	} {
		if got := (&serve{Policy: c.policy}).openTo(c.addr); got != c.want {
			t.Errorf("%s with %q: got %q, want %q", c.addr, c.policy, got, c.want)
		}
	}
}

// Where clients get tokens is where they came to, unless it is said.
func TestRealm(t *testing.T) {
	r := httptest.NewRequest("GET", "http://127.0.0.1:5000/v2/", nil)
	for url, want := range map[string]string{
		"":                              "http://127.0.0.1:5000/token",
		"https://registry.example.com":  "https://registry.example.com/token",
		"https://registry.example.com/": "https://registry.example.com/token",
	} {
		if got := (&serve{URL: url}).realm(r); got != want {
			t.Errorf("--url %q: got %s, want %s", url, got, want)
		}
	}
	secure := httptest.NewRequest("GET", "https://r.test/v2/", nil)
	if got, want := (&serve{}).realm(secure), "https://r.test/token"; got != want {
		t.Errorf("over TLS: got %s, want %s", got, want)
	}
}
