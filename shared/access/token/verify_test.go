package token_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/token"
)

// A token ends at its time, whether it is remembered or not, and clocks may
// differ a little.
func TestTimes(t *testing.T) {
	for _, remembered := range []bool{false, true} {
		for _, test := range []struct {
			at   time.Duration // after it was issued
			want error
		}{
			{-token.Skew - time.Second, token.ErrInvalid},
			{-token.Skew, nil},
			{0, nil},
			{5*time.Minute + token.Skew - time.Second, nil},
			{5*time.Minute + token.Skew, token.ErrExpired},
			{24 * time.Hour, token.ErrExpired},
		} {
			m := newMint(t)
			raw := m.sign(t, m.alices())
			if remembered {
				if test.at < 0 {
					continue // a clock that is set back
				}
				if _, err := m.Verify(t.Context(), raw); err != nil {
					t.Fatal(err)
				}
			}
			m.now = m.now.Add(test.at)
			if _, err := m.Verify(t.Context(), raw); !errors.Is(err, test.want) {
				t.Errorf("remembered %t, at %v: got %v, want %v", remembered, test.at, err, test.want)
			}
		}
	}
}

// Both keys verify while one takes over from the other.
func TestRotation(t *testing.T) {
	m := newMint(t)
	first := m.sign(t, m.alices())
	m.add(t, m.now.Add(30*time.Second))
	end := m.now.Add(10 * time.Minute)
	m.kept[0].Until, m.known = end, m.kept
	m.now = m.now.Add(time.Minute)
	second := m.sign(t, m.alices())
	if strings.Split(first, ".")[0] == strings.Split(second, ".")[0] {
		t.Error("the old key signs on")
	}
	for _, raw := range []string{first, second} {
		if _, err := m.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
	}
	m.now = end
	late := m.alices()
	raw, err := m.ring[:1].Sign(late, m.now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Verify(t.Context(), raw)
	wantInvalid(t, "what a key signs after its end", err)
	if m.reloads != 0 {
		t.Errorf("%d reloads for a key that is known", m.reloads)
	}
}

// With a key its tokens end, those too that were verified already.
func TestWithdrawnKey(t *testing.T) {
	for what, withdraw := range map[string]func(*mint){
		"gone":  func(m *mint) { m.kept = nil },
		"ended": func(m *mint) { m.kept = []token.PublicKey{m.known[0]}; m.kept[0].Until = m.now },
		"replaced": func(m *mint) {
			k := m.known[0]
			k.Key = make([]byte, ed25519.PublicKeySize)
			m.kept = []token.PublicKey{k}
		},
	} {
		m := newMint(t)
		raw := m.sign(t, m.alices())
		if _, err := m.Verify(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
		withdraw(m)
		m.known = m.kept
		_, err := m.Verify(t.Context(), raw)
		wantInvalid(t, what, err)
	}
}

// A key that was made just now is found, and who invents keys has them looked
// for once a second.
func TestUnknownKey(t *testing.T) {
	m := newMint(t)
	m.add(t, m.now)
	m.ring = m.ring[1:]
	raw := m.sign(t, m.alices())
	for range 3 {
		if _, err := m.Verify(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	if m.reloads != 1 {
		t.Errorf("got %d reloads, want 1", m.reloads)
	}
	for second := range 3 {
		m.now = m.now.Add(time.Second)
		for i := range 20 {
			header := fmt.Sprintf(`{"alg":"EdDSA","kid":"%d-%d","typ":"at+jwt"}`, second, i)
			_, err := m.Verify(t.Context(), write(t, header, m.claims(), with(m.ring[0])))
			wantInvalid(t, "an invented key", err)
		}
	}
	if m.reloads != 4 {
		t.Errorf("got %d reloads in 3 s, want 3 more", m.reloads)
	}
}

// Who comes while keys are read gets what was read, and one who has gone does
// not keep the others.
func TestReloadTogether(t *testing.T) {
	m := newMint(t)
	made, err := token.Generate(m.now)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var known []token.PublicKey
	reading, read := make(chan struct{}), make(chan struct{})
	v := token.NewVerifier(func(context.Context) ([]token.PublicKey, error) {
		mu.Lock()
		defer mu.Unlock()
		return known, nil
	}, func(context.Context) ([]token.PublicKey, error) {
		close(reading) // a second time would panic
		<-read
		mu.Lock()
		defer mu.Unlock()
		known = []token.PublicKey{made.PublicKey}
		return known, nil
	}, service, func() time.Time { return m.now })
	m.ring = token.Keyring{made}
	raw := m.sign(t, m.alices())
	var wait sync.WaitGroup
	verify := func() {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
	}
	wait.Go(verify)
	<-reading
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(gone, raw); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone: got %v", err)
	}
	for range 8 {
		wait.Go(verify)
	}
	close(read)
	wait.Wait()
}

// The memory is bounded, and a token that it forgot is verified again.
func TestManyTokens(t *testing.T) {
	m := newMint(t)
	var raws []string
	for range 1100 {
		next := m.alices()
		next.ID = ""
		raws = append(raws, m.sign(t, next))
	}
	for _, raw := range append(raws, raws[:200]...) {
		if _, err := m.Verify(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Remembered(); got > 1024 {
		t.Errorf("%d are remembered, at most 1024 may be", got)
	}
	m.now = m.now.Add(time.Hour)
	if _, err := m.Verify(t.Context(), m.sign(t, m.alices())); err != nil {
		t.Fatal(err)
	}
	if got := m.Remembered(); got != 1 {
		t.Errorf("%d are remembered, of which one has not expired", got)
	}
}

func FuzzVerify(f *testing.F) {
	m := newMint(f)
	good := m.sign(f, m.alices())
	refresh, err := m.ring.SignRefresh(token.Refresh{Service: service, Issued: m.now, Expires: m.now.Add(time.Hour)}, m.now)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		good, refresh, "", "..", good + "=", write(f, `{"alg":"none"}`, m.claims(), func(string) []byte { return nil }),
		write(f, m.header(m.ring[0]), map[string]any{"exp": 1e300}, with(m.ring[0])),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		// Nobody but the mint can make one, and of each there is one text.
		if _, err := m.Verify(t.Context(), raw); err == nil && raw != good {
			t.Errorf("taken: %q", raw)
		}
		if _, err := m.VerifyRefresh(t.Context(), raw); err == nil && raw != refresh {
			t.Errorf("taken to refresh: %q", raw)
		}
	})
}

// FuzzClaims looks at what comes after the signature.
func FuzzClaims(f *testing.F) {
	m := newMint(f)
	f.Add(`{"iss":"berth","aud":"berth","iat":1795269600,"exp":1795269660,"who":{"k":"user"},"access":null}`)
	f.Add(`{"exp":9223372036854775807,"iat":-9223372036854775808}`)
	f.Fuzz(func(t *testing.T, claims string) {
		text := encode(m.header(m.ring[0])) + "." + encode(claims)
		got, err := m.Verify(t.Context(), text+"."+encode(string(with(m.ring[0])(text))))
		switch {
		case errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired):
		case err != nil:
			t.Error(err)
		case got.Service != service || got.Scopes == nil || got.Expires.Sub(got.Issued) > token.MaxLife:
			t.Errorf("taken: %+v", got)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	m := newMint(b)
	raw := m.sign(b, m.alices())
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.Verify(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			m.Forget()
			if _, err := m.Verify(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ed25519 alone", func(b *testing.B) {
		text := raw[:strings.LastIndex(raw, ".")]
		signature := with(m.ring[0])(text)
		for b.Loop() {
			if !ed25519.Verify(m.ring[0].Key, []byte(text), signature) {
				b.Fatal("not verified")
			}
		}
	})
}
