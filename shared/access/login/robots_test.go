package login_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/access/login"
	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/local"
	"github.com/berthregistry/berth/shared/table/tabletest"
)

func embedded(t *testing.T) table.Store {
	t.Helper()
	s, err := local.Open(filepath.Join(t.TempDir(), "table"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(t *testing.T, l *ledger.Ledger, name string, expires time.Time) (ledger.Robot, string) {
	t.Helper()
	r, secret, err := l.Create(t.Context(), name, []string{"builders"}, expires)
	if err != nil {
		t.Fatal(err)
	}
	return r, secret
}

func TestRobotLogsIn(t *testing.T) {
	l := ledger.New(embedded(t), ledger.Options{})
	a := login.New(l, nil, login.Robots(l))
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	r, secret := create(t, l, "ci", end)
	id, err := a.Login(t.Context(), login.Credentials{User: r.ID, Secret: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id.Principal.String() != "robot:ci" || !slices.Equal(id.Principal.Groups, []string{"builders"}) ||
		id.Robot != r.ID || !id.Until.Equal(end) || id.Credential == "" {
		t.Errorf("got %+v, want robot:ci with its key and its end", id)
	}
	other, otherSecret := create(t, l, "other", time.Time{})
	for name, c := range map[string]login.Credentials{
		"a wrong secret":      {User: r.ID, Secret: secret + "x"},
		"another's secret":    {User: r.ID, Secret: otherSecret},
		"the name for the id": {User: "ci", Secret: secret},
		"an unknown key":      {User: "robot-aaaaaaaaaaaaaaaa", Secret: secret},
		"no secret":           {User: other.ID},
	} {
		if id, err := a.Login(t.Context(), c, nil); !errors.Is(err, login.ErrRefused) {
			t.Errorf("%s: got %v, %v, want ErrRefused", name, id, err)
		}
	}
}

func TestRobotIsRefusedAtOnceWhenRevoked(t *testing.T) {
	l := ledger.New(embedded(t), ledger.Options{})
	a := login.New(l, nil, login.Robots(l))
	r, secret := create(t, l, "ci", time.Time{})
	id, err := a.Login(t.Context(), login.Credentials{User: r.ID, Secret: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.Renew(t.Context(), id); err != nil || again.Principal.String() != "robot:ci" {
		t.Errorf("renew: got %v, %v", again, err)
	}
	forged := id
	forged.Credential = "x"
	if _, err := a.Renew(t.Context(), forged); !errors.Is(err, login.ErrRefused) {
		t.Errorf("renew with another credential: got %v, want ErrRefused", err)
	}
	if _, err := l.Revoke(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Login(t.Context(), login.Credentials{User: r.ID, Secret: secret}, nil); !errors.Is(err, login.ErrRefused) {
		t.Errorf("login: got %v, want ErrRefused", err)
	}
	if _, err := a.Renew(t.Context(), id); !errors.Is(err, login.ErrRefused) {
		t.Errorf("renew: got %v, want ErrRefused", err)
	}
}

// Ten wrong secrets block the key, and it makes no difference whether there is
// such a key. But its id is no secret, so whoever has the right one gets in, unless
// they have guessed as well.
func TestGuessingBlocks(t *testing.T) {
	now := time.Now()
	l := ledger.New(embedded(t), ledger.Options{Now: func() time.Time { return now }})
	a := login.New(l, nil, login.Robots(l))
	r, secret := create(t, l, "ci", time.Time{})
	for _, user := range []string{r.ID, "robot-aaaaaaaaaaaaaaaa"} {
		for range 10 {
			if _, err := a.Login(t.Context(), login.Credentials{User: user, Secret: "guess", Address: "192.0.2.1"}, nil); !errors.Is(err, login.ErrRefused) {
				t.Fatal(err)
			}
		}
		var blocked *login.Blocked
		_, err := a.Login(t.Context(), login.Credentials{User: user, Secret: "guess", Address: "192.0.2.7"}, nil)
		if !errors.As(err, &blocked) || blocked.Seconds() < 298 {
			t.Errorf("%s: got %v, want it blocked for five minutes", user, err)
		}
	}
	right := login.Credentials{User: r.ID, Secret: secret, Address: "192.0.2.7"}
	if _, err := a.Login(t.Context(), right, nil); err != nil {
		t.Errorf("its owner: %v", err)
	}
	// Guesses at a key that is blocked count for the address they come from.
	for range 60 {
		_, _ = a.Login(t.Context(), login.Credentials{User: r.ID, Secret: "guess", Address: "192.0.2.9"}, nil)
	}
	right.Address = "192.0.2.9"
	var blocked *login.Blocked
	if _, err := a.Login(t.Context(), right, nil); !errors.As(err, &blocked) {
		t.Errorf("from where fifty guesses came: got %v, want it blocked", err)
	}
	now = now.Add(5 * time.Minute)
	if _, err := a.Login(t.Context(), right, nil); err != nil {
		t.Errorf("five minutes later: %v", err)
	}
}

// When the table fails, nobody is told that their secret is wrong.
func TestRobotsWithoutTable(t *testing.T) {
	var off atomic.Bool
	store := tabletest.NewFaulty(embedded(t), func(c tabletest.Call) tabletest.Fault {
		if off.Load() && c.Method == tabletest.Get {
			return tabletest.FailBefore
		}
		return tabletest.Proceed
	})
	l := ledger.New(store, ledger.Options{})
	a := login.New(l, nil, login.Robots(l))
	r, secret := create(t, l, "ci", time.Time{})
	off.Store(true)
	if _, err := a.Login(t.Context(), login.Credentials{User: r.ID, Secret: secret}, nil); !errors.Is(err, tabletest.ErrFault) || errors.Is(err, login.ErrRefused) {
		t.Errorf("login: got %v, want the fault", err)
	}
	id := login.Identity{Principal: access.Principal{Kind: access.Robot, Name: "ci"}, Robot: r.ID, Credential: r.Credential()}
	if _, err := a.Renew(t.Context(), id); !errors.Is(err, tabletest.ErrFault) {
		t.Errorf("renew: got %v, want the fault", err)
	}
}
