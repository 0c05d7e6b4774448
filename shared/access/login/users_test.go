package login

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counting is a hash that is slow in no way, and says how often it was asked.
type counting struct {
	password string
	asked    *atomic.Int64
}

func (h counting) matches(password string) bool {
	h.asked.Add(1)
	return password == h.password
}

// counted makes users whose hashes are counted.
func counted(t *testing.T, now func() time.Time, passwords map[string]string) (*users, *atomic.Int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, "")
	p, err := Users(path, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	u, asked := p.(*users), &atomic.Int64{}
	es := &entries{byName: map[string]entry{}}
	for name, password := range passwords {
		es.byName[name] = entry{name: name, text: "hash of " + password, hash: counting{password, asked}}
		es.names = append(es.names, name)
	}
	u.file.known = es
	u.file.looked = now().Add(24 * time.Hour) // it is not looked at again
	return u, asked
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (u *users) try(t *testing.T, user, password string) error {
	t.Helper()
	_, err := u.Login(t.Context(), Credentials{User: user, Secret: password}, nil)
	return err
}

// Clients with Basic send the password each time; it is hashed once a minute.
func TestRightPasswordIsRemembered(t *testing.T) {
	now := time.Now()
	u, asked := counted(t, func() time.Time { return now }, map[string]string{"alice": "a", "bob": "b"})
	for range 10 {
		if err := u.try(t, "alice", "a"); err != nil {
			t.Fatal(err)
		}
	}
	if got := asked.Swap(0); got != 1 {
		t.Errorf("hashed %d times for ten logins, want once", got)
	}
	for _, c := range [][2]string{{"alice", "b"}, {"bob", "a"}, {"alice", "ab"}, {"alicea", ""}} {
		if err := u.try(t, c[0], c[1]); !errors.Is(err, ErrRefused) {
			t.Errorf("%v: got %v, want ErrRefused", c, err)
		}
	}
	if got := asked.Swap(0); got != 4 {
		t.Errorf("hashed %d times for four wrong passwords, want four", got)
	}
	now = now.Add(time.Minute)
	if err := u.try(t, "alice", "a"); err != nil || asked.Load() != 1 {
		t.Errorf("a minute later: %v, hashed %d times, want once", err, asked.Load())
	}
}

// A password that was changed is not remembered any longer than the file says.
func TestChangedPasswordIsNotRemembered(t *testing.T) {
	u, asked := counted(t, time.Now, map[string]string{"alice": "old"})
	if err := u.try(t, "alice", "old"); err != nil {
		t.Fatal(err)
	}
	u.file.known = &entries{
		names:  []string{"alice"},
		byName: map[string]entry{"alice": {name: "alice", text: "another", hash: counting{"new", asked}}},
	}
	if err := u.try(t, "alice", "old"); !errors.Is(err, ErrRefused) {
		t.Errorf("old password: got %v, want ErrRefused", err)
	}
	if err := u.try(t, "alice", "new"); err != nil {
		t.Errorf("new password: %v", err)
	}
	u.file.known = &entries{}
	if err := u.try(t, "alice", "new"); !errors.Is(err, ErrRefused) {
		t.Errorf("user is gone: got %v, want ErrRefused", err)
	}
}

// Who is not there is held against the hash of another, which lets nobody in,
// not even with the password of that other.
func TestUnknownUserCostsAHash(t *testing.T) {
	u, asked := counted(t, time.Now, map[string]string{"alice": "a"})
	for range 3 {
		for _, password := range []string{"x", "a"} {
			if err := u.try(t, "mallory", password); !errors.Is(err, ErrRefused) {
				t.Errorf("got %v, want ErrRefused", err)
			}
		}
	}
	if got := asked.Load(); got != 6 {
		t.Errorf("hashed %d times, want 6", got)
	}
}

// gate is a hash that counts how many are computed at once.
type gate struct{ running, most *atomic.Int64 }

func (g gate) matches(string) bool {
	n := g.running.Add(1)
	defer g.running.Add(-1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
	time.Sleep(time.Millisecond)
	return false
}

func TestHashingIsBounded(t *testing.T) {
	u, _ := counted(t, time.Now, nil)
	g := gate{&atomic.Int64{}, &atomic.Int64{}}
	u.file.known = &entries{names: []string{"alice"}, byName: map[string]entry{"alice": {name: "alice", hash: g}}}
	u.slots = make(chan struct{}, 3)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() { _ = u.try(t, "alice", "x") })
	}
	all.Wait()
	if got := g.most.Load(); got > 3 || got < 2 {
		t.Errorf("%d at once, want 3 at most, and more than one", got)
	}
	for range 3 {
		u.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := u.Login(ctx, Credentials{User: "alice", Secret: "x"}, nil)
	if err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("no slot free: got %v, want an error that is no refusal", err)
	}
}

func TestUsersTakeWhatIsNobodyElses(t *testing.T) {
	u, _ := counted(t, time.Now, nil)
	for user, want := range map[string]bool{
		"alice": true, "robot-x": true, "": false, "oidc": false, "aws": false, "robot-aaaaaaaaaaaaaaaa": false,
	} {
		if got := u.Takes(user); got != want {
			t.Errorf("Takes(%q): got %v, want %v", user, got, want)
		}
	}
}

func TestRenewUser(t *testing.T) {
	u, _ := counted(t, time.Now, map[string]string{"alice": "a", "bob": "b"})
	id, err := u.Login(t.Context(), Credentials{User: "alice", Secret: "a"}, nil)
	if err != nil || id.Principal.String() != "user:alice" || id.Robot != "" {
		t.Fatalf("got %+v, %v, want user:alice", id, err)
	}
	if again, err := u.Renew(t.Context(), id); err != nil || again.Principal.String() != "user:alice" {
		t.Errorf("renew: got %v, %v", again, err)
	}
	asBob := id
	asBob.Principal.Name = "bob"
	if _, err := u.Renew(t.Context(), asBob); !errors.Is(err, ErrRefused) {
		t.Errorf("as another: got %v, want ErrRefused", err)
	}
	u.file.known.byName["alice"] = entry{name: "alice", text: "changed"}
	if _, err := u.Renew(t.Context(), id); !errors.Is(err, ErrRefused) {
		t.Errorf("after a change: got %v, want ErrRefused", err)
	}
}

// The file is read again when it has changed, and a slip in it locks nobody
// out.
func TestChangedFileIsReadAgain(t *testing.T) {
	const (
		alice = "alice:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n" // U*U
		bob   = "bob:$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n"
	)
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, alice)
	now := time.Now()
	var log bytes.Buffer
	p, err := Users(path, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	u := p.(*users)
	replace := func(text string, age time.Duration) {
		writeFile(t, path, text)
		now = now.Add(time.Second)
		at := now.Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(what string, names ...string) {
		t.Helper()
		for _, name := range []string{"alice", "bob"} {
			err := u.try(t, name, "U*U")
			if want := strings.Contains(strings.Join(names, " "), name); want != (err == nil) {
				t.Errorf("%s: %s got %v, want in: %v", what, name, err, want)
			}
		}
	}
	wants("at first", "alice")
	replace(alice+bob, time.Hour)
	wants("with bob", "alice", "bob")
	replace(alice+"bob\n", time.Minute)
	wants("with a slip", "alice", "bob")
	if !strings.Contains(log.String(), path+":2: ") {
		t.Errorf("log: %s, want it to name the line", log.String())
	}
	replace(bob, 0)
	wants("just changed", "bob")
	replace(strings.Replace(bob, "bob", "eve", 1), time.Second) // as long, and at the same time for the file system
	wants("changed again", "bob")
	now = now.Add(time.Second)
	wants("settled")
	replace(alice, time.Hour)
	wants("changed once more", "alice")
	now = now.Add(time.Second)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wants("gone", "alice")
	if got := strings.Count(log.String(), "users not taken"); got != 2 {
		t.Errorf("%d complaints, want one for each state:\n%s", got, log.String())
	}
}

func TestUsersWantsAFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Users(filepath.Join(dir, "none"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	big := filepath.Join(dir, "big")
	writeFile(t, big, strings.Repeat("#", maxFile+1))
	if _, err := Users(big, nil, nil); err == nil {
		t.Error("a file of more than a megabyte was taken")
	}
}
