package desk

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access"
)

// Whatever a stranger sends is either read or refused with a status of theirs,
// and what is read is bounded.
func FuzzApplication(f *testing.F) {
	for _, seed := range [][3]string{
		{"service=berth&scope=repository:a:pull&scope=repository:b:push", "Basic YWxpY2U6c2VjcmV0", ""},
		{"offline_token=true&account=alice&client_id=docker", "", ""},
		{"", "Bearer x", "grant_type=password&username=alice&password=secret&access_type=offline&scope=registry:catalog:*"},
		{"%zz", "Basic", "grant_type=refresh_token&refresh_token=a.b.c"},
		{"a;b", "basic :", "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=a.b.c&subject_token_type=urn:ietf:params:oauth:token-type:jwt"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, query, authorization, form string) {
		get := httptest.NewRequest(http.MethodGet, "/token", nil)
		get.URL.RawQuery = query
		if authorization != "" {
			get.Header.Set("Authorization", authorization)
		}
		a := checkRead(t, get)
		if a.refresh != "" || a.exchange || (a.secret != "" || a.user != "") && authorization == "" {
			t.Errorf("a secret came from the query %q: %+v", query, a)
		}
		post := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form))
		post.URL.RawQuery = query
		post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		post.Header.Set("Authorization", "Basic YWxpY2U6c2VjcmV0")
		if b := checkRead(t, post); b.anonymous() && b.service != "" {
			t.Errorf("a form that presents nothing was taken: %+v", b)
		}
	})
}

func checkRead(t *testing.T, r *http.Request) application {
	t.Helper()
	a, err := read(httptest.NewRecorder(), r)
	if err != nil {
		turned, ok := errors.AsType[*refusal](err)
		if !ok || turned.status < 400 || turned.status > 499 {
			t.Errorf("refused with %v", err)
		}
		return application{}
	}
	if len(a.scopes) > access.MaxScopes {
		t.Errorf("%d scopes", len(a.scopes))
	}
	return a
}
