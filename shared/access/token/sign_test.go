package token_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
)

func TestRefreshRoundTrip(t *testing.T) {
	m := newMint(t)
	want := token.Refresh{
		Principal: access.Principal{Kind: access.Issuer, Name: "gitlab", Subject: "project_path:acme/app"},
		Claims:    map[string]any{"iss": "https://gitlab.example.com", "n": 1.5, "list": []any{"a"}, "deep": map[string]any{"b": true}},
		Robot:     "robot-abc", Credential: "sha256", Service: service, ID: "two",
		Issued: m.now.Local(), Expires: m.now.Local().Add(token.MaxRefreshLife),
	}
	raw, err := m.ring.SignRefresh(want, m.now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.VerifyRefresh(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	got.Issued, got.Expires = got.Issued.Local(), got.Expires.Local()
	if !got.Expires.Equal(want.Expires) {
		t.Errorf("expires: got %v, want %v", got.Expires, want.Expires)
	}
	got.Issued, got.Expires = want.Issued, want.Expires
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A token without scopes must not become a session that nothing narrows.
func TestNoScopesAreNotAll(t *testing.T) {
	m := newMint(t)
	bare := m.alices()
	bare.Scopes = nil
	claims := m.claims()
	delete(claims, "access")
	null := m.claims()
	null["access"] = nil
	for what, raw := range map[string]string{
		"signed with none": m.sign(t, bare),
		"no claim":         write(t, m.header(m.ring[0]), claims, with(m.ring[0])),
		"null":             write(t, m.header(m.ring[0]), null, with(m.ring[0])),
	} {
		for range 2 {
			got, err := m.Verify(t.Context(), raw)
			if err != nil || got.Scopes == nil || len(got.Scopes) != 0 {
				t.Errorf("%s: got %#v, %v; want an empty list", what, got.Scopes, err)
			}
		}
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	m := newMint(t)
	for what, change := range map[string]func(*token.Token){
		"no service":         func(t *token.Token) { t.Service = "" },
		"too long a life":    func(t *token.Token) { t.Expires = t.Issued.Add(token.MaxLife + time.Second) },
		"no life":            func(t *token.Token) { t.Expires = t.Issued },
		"an end that is not": func(t *token.Token) { t.Expires = time.Time{} },
	} {
		bad := m.alices()
		change(&bad)
		if raw, err := m.ring.Sign(bad, m.now); err == nil {
			t.Errorf("%s: got a token of %d bytes", what, len(raw))
		}
	}
	if _, err := (token.Keyring{}).Sign(m.alices(), m.now); err == nil {
		t.Error("signed without a key")
	}
	long := token.Refresh{Service: service, Issued: m.now, Expires: m.now.Add(token.MaxRefreshLife + time.Second)}
	if _, err := m.ring.SignRefresh(long, m.now); err == nil {
		t.Error("a refresh token that lives too long is signed")
	}
}

// What is signed fits into the headers that a gateway takes, and is verified.
func TestSize(t *testing.T) {
	m := newMint(t)
	large := m.alices()
	for i := 0; ; i++ {
		raw, err := m.ring.Sign(large, m.now)
		if errors.Is(err, token.ErrTooLarge) {
			if i < 40 {
				t.Errorf("%d scopes are too many", i)
			}
			break
		}
		if err != nil || len(raw) > 7<<10 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		if _, err := m.Verify(t.Context(), raw); err != nil {
			t.Fatalf("a token of %d bytes: %v", len(raw), err)
		}
		large.Scopes = append(large.Scopes, access.Scope{Type: "repository", Name: fmt.Sprintf("team/app-%d", i), Actions: []string{"pull", "push", "delete"}})
	}
	claims := token.Refresh{Service: service, Issued: m.now, Expires: m.now.Add(time.Hour), Claims: map[string]any{"x": strings.Repeat("x", 7<<10)}}
	if _, err := m.ring.SignRefresh(claims, m.now); !errors.Is(err, token.ErrTooLarge) {
		t.Errorf("a refresh token: got %v", err)
	}
}

// The newest key whose time has come signs.
func TestWhichKeySigns(t *testing.T) {
	m := newMint(t)
	old, next := m.ring[0], m.add(t, m.now.Add(time.Minute))
	ahead, ended := m.add(t, m.now.Add(time.Hour)), m.add(t, m.now.Add(30*time.Second))
	m.ring[3].Until = m.now.Add(40 * time.Second)
	for _, test := range []struct {
		after time.Duration
		ring  token.Keyring
		want  token.PrivateKey
	}{
		{0, m.ring, old},
		{0, token.Keyring{ahead, next, old}, old},
		{35 * time.Second, m.ring, ended},
		{45 * time.Second, m.ring, old},
		{time.Minute, m.ring, next},
		{59 * time.Minute, token.Keyring{ahead, next, old}, next},
		{time.Hour, m.ring, ahead},
		{0, token.Keyring{ahead, next}, next}, // no time has come
	} {
		raw, err := test.ring.Sign(m.alices(), m.now.Add(test.after))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(raw, encode(m.header(test.want))+".") {
			t.Errorf("after %v: another key signs than %v", test.after, test.want)
		}
	}
}

// A key that gets into a log or an error shows its name.
func TestKeysAreNotPrinted(t *testing.T) {
	m := newMint(t)
	key := m.ring[0]
	seed, err := json.Marshal(key.Seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key), fmt.Sprintf("%+v", m.ring), key.LogValue().String()} {
		if !strings.Contains(got, key.ID) || strings.Contains(got, strings.Trim(string(seed), `"`)) || strings.Contains(got, "Seed") {
			t.Errorf("got %q", got)
		}
	}
	again := token.PrivateKey{}
	text, err := json.Marshal(key)
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil || !reflect.DeepEqual(again, key) {
		t.Errorf("JSON there and back: got %v, %v", again, err)
	}
}
