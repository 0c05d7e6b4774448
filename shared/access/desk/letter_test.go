package desk_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/desk"
)

// A post has letters, and notes what it was asked.
type post struct {
	after  string
	n      int
	events []string
	err    error
}

func (p *post) Letters(_ context.Context, after string, n int) (desk.Letters, error) {
	p.after, p.n = after, n
	return desk.Letters{Letters: []desk.Letter{{Event: "e1", Place: "https://hook.example"}}, Next: "h#2#e1"}, p.err
}

func (p *post) Redrive(_ context.Context, events []string, after string) (desk.Redriven, error) {
	p.after, p.events = after, events
	return desk.Redriven{Sent: 2, Left: 1}, p.err
}

func TestLetters(t *testing.T) {
	p := &post{}
	o := newOffice(t, func(o *desk.Options) { o.Post = p })
	o.as(root, nil)
	want(t, o.do("GET", "/_berth/letters?after=h%231%23e0&n=9", ""), http.StatusOK, `"event":"e1"`, `"place":"https://hook.example"`, `"next":"h#2#e1"`)
	if p.after != "h#1#e0" || p.n != 9 {
		t.Errorf("asked for %d after %q", p.n, p.after)
	}
	want(t, o.do("GET", "/_berth/letters?n=99999", ""), http.StatusOK)
	if p.after != "" || p.n != 500 {
		t.Errorf("asked for %d after %q, want a page", p.n, p.after)
	}
	want(t, o.do("POST", "/_berth/letters/redrive", `{"events":["0123abcd"],"after":"x"}`), http.StatusOK, `"sent":2`, `"left":1`)
	if !slices.Equal(p.events, []string{"0123abcd"}) || p.after != "x" {
		t.Errorf("asked to redrive %v after %q", p.events, p.after)
	}
	if !strings.Contains(o.log.String(), `action="letter redrive" about="2 letters"`) {
		t.Errorf("no audit line:\n%s", o.log)
	}
	p.err = errors.New("hush")
	for _, a := range []answer{o.do("GET", "/_berth/letters", ""), o.do("POST", "/_berth/letters/redrive", `{}`)} {
		if a.status != http.StatusInternalServerError || strings.Contains(a.body, "hush") {
			t.Errorf("got %d: %s", a.status, a.body)
		}
	}
}

func TestOddLetters(t *testing.T) {
	o := newOffice(t, func(o *desk.Options) { o.Post = &post{} })
	o.as(root, nil)
	for _, target := range []string{"?n=0", "?n=x", "?after=%00", "?after=%ff", "?after=" + strings.Repeat("x", 300)} {
		want(t, o.do("GET", "/_berth/letters"+target, ""), http.StatusBadRequest)
	}
	for _, body := range []string{`{"events":["short"]}`, `{"events":["` + strings.Repeat("a", 65) + `"]}`, `{"events":["01234567x"]}`, `{"all":true}`, `[]`, `{"after":"\n"}`} {
		want(t, o.do("POST", "/_berth/letters/redrive", body), http.StatusBadRequest)
	}
	o.as(access.Principal{Kind: access.User, Name: "alice"}, nil)
	want(t, o.do("GET", "/_berth/letters", ""), http.StatusForbidden)
	want(t, o.do("POST", "/_berth/letters/redrive", `{}`), http.StatusForbidden)
}

// Where there are no webhooks there are no letters, and where nobody is asked who
// they are there is nothing else.
func TestDesksOfLessThanAll(t *testing.T) {
	o := newOffice(t, nil)
	o.as(root, nil)
	want(t, o.do("GET", "/_berth/letters", ""), http.StatusNotFound)

	o.Handler = desk.New(desk.Options{Post: &post{}, Gate: o.gate})
	want(t, o.do("GET", "/_berth/letters", ""), http.StatusOK)
	for _, e := range errands {
		want(t, o.do(e[0], e[1], "{}"), http.StatusNotFound)
	}
	want(t, o.do("GET", "/token", ""), http.StatusNotFound)
	want(t, o.do("POST", "/_berth/letters/redrive", "{}", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
}
