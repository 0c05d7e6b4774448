package login_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
)

// A doorman lets in whoever has the secret "right", as one principal for all,
// and says what was the matter otherwise.
type doorman struct {
	user  string
	cause error // with "broken" as secret
}

func (d doorman) Takes(user string) bool { return user == d.user }

func (d doorman) Login(_ context.Context, c login.Credentials, _ *access.Policy) (login.Identity, error) {
	switch c.Secret {
	case "right":
		return login.Identity{Principal: access.Principal{Kind: access.User, Name: d.user}}, nil
	case "broken":
		return login.Identity{}, d.cause
	}
	return login.Identity{}, fmt.Errorf("%w: the moon is wrong", login.ErrRefused)
}

// A concierge knows each by name.
type concierge struct{ doorman }

func (concierge) Personal() {}

// A counter is a limiter that remembers what it was told.
type counter struct {
	wait   time.Duration
	broken error
	failed []string
	asked  []string
}

func (c *counter) Blocked(_ context.Context, names ...string) (time.Duration, error) {
	c.asked = names
	return c.wait, c.broken
}

func (c *counter) Failed(ctx context.Context, names ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.failed = append(c.failed, names...)
	return nil
}

func alice(secret string) login.Credentials {
	return login.Credentials{User: "alice", Secret: secret, Address: "192.0.2.1"}
}

func TestLoginAsksWhoTakesTheUser(t *testing.T) {
	limiter := &counter{}
	a := login.New(limiter, nil, doorman{user: "oidc"}, concierge{doorman{user: "alice"}})
	id, err := a.Login(t.Context(), alice("right"), nil)
	if err != nil || id.Principal.Name != "alice" {
		t.Errorf("got %v, %v, want alice", id, err)
	}
	if len(limiter.failed) != 0 {
		t.Errorf("counted %v, want nothing", limiter.failed)
	}
}

// The client learns nothing, the log all but the secret.
func TestRefusalSaysNothing(t *testing.T) {
	secrets := []string{"wrong", strings.Repeat("s", 16<<10+1), ""}
	for _, secret := range secrets {
		for _, user := range []string{"alice", "nobody", strings.Repeat("u", 300)} {
			var log bytes.Buffer
			limiter := &counter{}
			a := login.New(limiter, slog.New(slog.NewTextHandler(&log, nil)), concierge{doorman{user: "alice"}})
			_, err := a.Login(t.Context(), login.Credentials{User: user, Secret: secret, Address: "192.0.2.1"}, nil)
			if err != login.ErrRefused { // and nothing wrapped around it
				t.Errorf("%.10s: got %v, want ErrRefused alone", user, err)
			}
			if !strings.Contains(log.String(), "cause=") || len(secret) > 1 && strings.Contains(log.String(), "="+secret) || log.Len() > 500 {
				t.Errorf("log: %s", log.String())
			}
			if !slices.Contains(limiter.failed, ledger.ByAddress("192.0.2.1")) {
				t.Errorf("counted %v, want the address in it", limiter.failed)
			}
		}
	}
}

// A secret where the user goes, or an identity printed whole, shows nothing.
func TestCredentialsHideTheirSecret(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", login.Credentials{
		User: "berth_" + strings.Repeat("Zq", 24) + "9", Secret: "hunter2",
	})
	if got := log.String(); strings.Contains(got, "ZqZqZq") || strings.Contains(got, "hunter2") {
		t.Errorf("got %s", got)
	}
}

func TestFailuresAreCountedByNameAndAddress(t *testing.T) {
	limiter := &counter{}
	a := login.New(limiter, nil, concierge{doorman{user: "alice"}}, doorman{user: "oidc"})
	if _, err := a.Login(t.Context(), alice("wrong"), nil); !errors.Is(err, login.ErrRefused) {
		t.Fatal(err)
	}
	want := []string{ledger.ByAddress("192.0.2.1"), ledger.ByIdentity("alice")}
	if !slices.Equal(limiter.failed, want) || !slices.Equal(limiter.asked, want) {
		t.Errorf("counted %v after a look at %v, want %v", limiter.failed, limiter.asked, want)
	}
	// All tokens of issuers come under one name: nobody must lock out others.
	limiter.failed = nil
	if _, err := a.Login(t.Context(), login.Credentials{User: "oidc", Secret: "x", Address: "192.0.2.1"}, nil); !errors.Is(err, login.ErrRefused) {
		t.Fatal(err)
	}
	if want := want[:1]; !slices.Equal(limiter.failed, want) {
		t.Errorf("counted %v, want %v", limiter.failed, want)
	}
}

func TestBlockedIsNotLookedAt(t *testing.T) {
	limiter := &counter{wait: 90*time.Second + time.Millisecond}
	a := login.New(limiter, nil, concierge{doorman{user: "alice"}})
	_, err := a.Login(t.Context(), alice("right"), nil)
	var blocked *login.Blocked
	if !errors.As(err, &blocked) || blocked.Seconds() != 91 {
		t.Errorf("got %v, want to be blocked for 91 seconds", err)
	}
	if len(limiter.failed) != 0 {
		t.Errorf("counted %v, want nothing", limiter.failed)
	}
}

// What could not be found out is no wrong password.
func TestTroubleIsNoRefusal(t *testing.T) {
	trouble := errors.New("the table is on fire")
	limiter := &counter{}
	a := login.New(limiter, nil, concierge{doorman{user: "alice", cause: trouble}})
	if _, err := a.Login(t.Context(), alice("broken"), nil); !errors.Is(err, trouble) || errors.Is(err, login.ErrRefused) {
		t.Errorf("got %v, want the trouble", err)
	}
	if len(limiter.failed) != 0 {
		t.Errorf("counted %v, want nothing", limiter.failed)
	}
	limiter.broken = trouble
	if _, err := a.Login(t.Context(), alice("right"), nil); !errors.Is(err, trouble) {
		t.Errorf("a limiter that cannot say: got %v, want the trouble", err)
	}
}

// Who hangs up is counted all the same.
func TestHangingUpIsNoWayOut(t *testing.T) {
	limiter := &counter{}
	a := login.New(limiter, nil, concierge{doorman{user: "alice"}})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := a.Login(ctx, alice("wrong"), nil); !errors.Is(err, login.ErrRefused) || len(limiter.failed) != 2 {
		t.Errorf("got %v and %v counted, want it refused and counted twice", err, limiter.failed)
	}
}

func TestRenewIsRefusedWhereNobodyRenews(t *testing.T) {
	a := login.New(&counter{}, nil, doorman{user: "alice"})
	id := login.Identity{Principal: access.Principal{Kind: access.Issuer, Name: "github"}}
	if _, err := a.Renew(t.Context(), id); !errors.Is(err, login.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}
