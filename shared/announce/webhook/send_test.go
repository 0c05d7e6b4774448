package webhook

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// A server stands for a hook on a real network.
func server(t *testing.T, h http.HandlerFunc) *Outbox {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	hook := testHook(t)
	hook.URL = mustURL(t, strings.Replace(s.URL, "http://", "http://user:hush@", 1)+"/hush?key=hush")
	d := openPost(t, openTable(t), NewTransport(), hook)
	return d.boxes[0]
}

func TestSendGoesNowhereElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		o := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		if v := o.send(t.Context(), "1#x", []byte("{}")); v.err == nil {
			t.Errorf("a redirect with %d counts as taken", status)
		}
	}
}

func TestSendHasCredentials(t *testing.T) {
	o := server(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "user" || password != "hush" || r.URL.Query().Get("key") != "hush" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	if v := o.send(t.Context(), "1#x", []byte("{}")); v.err != nil {
		t.Error(v.err)
	}
}

// An answer without an end is not read to its end.
func TestSendIsBounded(t *testing.T) {
	o := server(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	began := time.Now()
	if v := o.send(t.Context(), "1#x", []byte("{}")); v.err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %v", v.err, time.Since(began))
	}
}

// Errors say what is wrong, and have nothing in them that only the URL should
// have.
func TestErrorsOfSendHaveNoSecret(t *testing.T) {
	dead := server(t, nil)
	dead.hook.URL.Host = "127.0.0.1:1"
	odd := server(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = conn.Write([]byte("hush\r\n\r\n"))
			_ = conn.Close()
		}
	})
	tls := server(t, nil)
	tls.hook.URL.Scheme = "https"
	told := server(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hush", http.StatusTeapot) })
	for name, c := range map[string]struct {
		box  *Outbox
		says string
	}{"refused": {dead, "connection refused"}, "no HTTP": {odd, "not HTTP"}, "no TLS": {tls, "HTTP"}, "status": {told, "418 I'm a teapot"}} {
		v := c.box.send(t.Context(), "1#x", []byte("{}"))
		if v.err == nil || strings.Contains(v.err.Error(), "hush") || !strings.Contains(v.err.Error(), c.says) {
			t.Errorf("%s: got %v", name, v.err)
		}
	}
}

func TestParseWish(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "1.5": 0, "soon": 0, "86401": maxWish, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:03:05 GMT": 0, "Fri, 02 Jan 2099 03:03:05 GMT": maxWish,
	} {
		if got := parseWish(text, now); got != want {
			t.Errorf("parseWish(%q) = %v, want %v", text, got, want)
		}
	}
}

func FuzzParseWish(f *testing.F) {
	f.Add("120")
	f.Add("Fri, 02 Jan 2026 03:05:05 GMT")
	f.Fuzz(func(t *testing.T, text string) {
		if got := parseWish(text, time.Now()); got < 0 || got > maxWish {
			t.Errorf("parseWish(%q) = %v", text, got)
		}
	})
}

func TestParseURL(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://ci.example/hook": true, "http://127.0.0.1:8080": true, "https://user:hush@ci.example/hook?key=hush": true,
		"": false, "ci.example/hook": false, "ftp://ci.example/hush": false, "https:///hush": false, "https://:80/hush": false,
		"https://ci.example/#hush": false, "https://hush@ci.example:port/": false, "https:hush": false, "\x00https://hush": false,
		"https://ci.example/" + strings.Repeat("hush", 1000): false,
	} {
		u, err := ParseURL(text)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%.60s: got %v", text, err)
		}
		if ok && strings.Contains(Hook{URL: u}.Place(), "hush") {
			t.Errorf("%s is called %s", text, Hook{URL: u}.Place())
		}
	}
}

// What is wrong with a certificate may take more room than the event.
func TestALongReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New(strings.Repeat("é", 100<<10))}
		})
		d := openPost(t, openTable(t), bad, testHook(t)).start()
		large := event("a:1", 1)
		large.Data = json.RawMessage(`"` + strings.Repeat("x", 190<<10) + `"`)
		d.publish(large)
		time.Sleep(28 * time.Hour)
		letters := d.lettersNow()
		if len(letters) != 1 || len(letters[0].Reason) > maxReason || !utf8.ValidString(letters[0].Reason) {
			t.Errorf("got %d letters", len(letters))
		}
	})
}
