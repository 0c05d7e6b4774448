package vault_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/access/vault"
)

var begin = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

const service = "berth"

// A shelf is a vault in memory, and the place where public keys are published.
// It fails the test if a key signs that is not published.
type shelf struct {
	mu        sync.Mutex
	now       time.Time
	doc       []byte
	version   int
	loads     int
	stores    int
	published map[string]token.PublicKey
	publishes int

	// What goes wrong: called before a step, and after it has happened.
	before, after func(step string) error
}

func newShelf() *shelf {
	none := func(string) error { return nil }
	return &shelf{now: begin, published: map[string]token.PublicKey{}, before: none, after: none}
}

func (s *shelf) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *shelf) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// step does something between its faults.
func (s *shelf) step(name string, do func() error) error {
	if err := s.before(name); err != nil {
		return err
	}
	s.mu.Lock()
	err := do()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.after(name)
}

func (s *shelf) Load(context.Context) (doc []byte, version string, err error) {
	err = s.step("load", func() error {
		s.loads++
		if s.doc == nil {
			return vault.ErrAbsent
		}
		doc, version = s.doc, fmt.Sprint(s.version)
		return nil
	})
	return doc, version, err
}

func (s *shelf) Store(_ context.Context, doc []byte, ifVersion string) error {
	return s.step("store", func() error {
		if s.doc == nil && ifVersion != "" || s.doc != nil && ifVersion != fmt.Sprint(s.version) {
			return vault.ErrConflict
		}
		s.stores++
		s.version++
		s.doc = slices.Clone(doc)
		return nil
	})
}

// publish merges as the ledger does: of two ends the earlier one counts.
func (s *shelf) publish(_ context.Context, keys []token.PublicKey) error {
	return s.step("publish", func() error {
		s.publishes++
		for _, key := range keys {
			if there, ok := s.published[key.ID]; ok && (key.Until.IsZero() || !there.Until.IsZero() && there.Until.Before(key.Until)) {
				key.Until = there.Until
			}
			s.published[key.ID] = key
		}
		return nil
	})
}

func (s *shelf) open() *vault.Keys { return vault.Open(s, s.publish, s.clock) }

// verifier knows at once what is published.
func (s *shelf) verifier() *token.Verifier {
	read := func(context.Context) ([]token.PublicKey, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var keys []token.PublicKey
		for _, key := range s.published {
			keys = append(keys, key)
		}
		return keys, nil
	}
	return token.NewVerifier(read, read, service, s.clock)
}

// sign signs a token of now, and verifies it.
func (s *shelf) sign(t testing.TB, keys *vault.Keys) string {
	t.Helper()
	now := s.clock()
	raw, err := keys.Sign(t.Context(), token.Token{
		Principal: access.Principal{Kind: access.User, Name: "alice"}, Service: service, Issued: now, Expires: now.Add(5 * time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.verify(t, raw)
	return raw
}

func (s *shelf) verify(t testing.TB, raw string) {
	t.Helper()
	if _, err := s.verifier().Verify(t.Context(), raw); err != nil {
		t.Errorf("verify at %v: %v", s.clock(), err)
	}
}

// signer is the part of a token that says which key has signed it.
func signer(raw string) string { return raw[:strings.IndexByte(raw, '.')] }

func TestFirstUse(t *testing.T) {
	s := newShelf()
	keys := s.open()
	if s.loads != 0 {
		t.Error("opening a vault reads it")
	}
	for range 3 {
		s.sign(t, keys)
	}
	s.sign(t, s.open()) // another process
	if s.stores != 1 || len(s.published) != 1 {
		t.Errorf("got %d stores and %d keys, want one key", s.stores, len(s.published))
	}
}

// Of many that come first there is one key in the end, and each signs with it.
func TestFirstTogether(t *testing.T) {
	s := newShelf()
	var wait sync.WaitGroup
	for range 8 {
		keys := s.open()
		for range 3 {
			wait.Go(func() { s.sign(t, keys) })
		}
	}
	wait.Wait()
	if s.stores != 1 || len(s.published) != 1 {
		t.Errorf("got %d stores and %d public keys, want one", s.stores, len(s.published))
	}
}

// To begin anew the document is deleted, where versions may begin anew as well.
func TestBeginningAnew(t *testing.T) {
	s := newShelf()
	keys := s.open()
	old := s.sign(t, keys)
	s.doc, s.version = nil, 0
	s.pass(2 * time.Minute)
	if signer(s.sign(t, keys)) == signer(old) {
		t.Error("the old key signs on")
	}
}

// Reading is rare, and a key that is lost where keys are published comes back.
func TestMemory(t *testing.T) {
	s := newShelf()
	keys := s.open()
	s.sign(t, keys)
	loads, publishes := s.loads, s.publishes
	for range 10 {
		s.pass(5 * time.Second)
		s.sign(t, keys)
	}
	if s.loads != loads {
		t.Errorf("%d reads within a minute", s.loads-loads)
	}
	s.pass(time.Minute)
	s.sign(t, keys)
	if s.loads != loads+1 || s.publishes != publishes {
		t.Errorf("after a minute: %d reads and %d times published, want one read", s.loads-loads, s.publishes-publishes)
	}
	s.published = map[string]token.PublicKey{}
	s.sign(t, s.open())
}

func TestRotate(t *testing.T) {
	s := newShelf()
	keys, elsewhere := s.open(), s.open()
	old := s.sign(t, keys)
	s.sign(t, elsewhere)
	const life = 30 * 24 * time.Hour
	next, err := keys.Rotate(t.Context(), life)
	if err != nil {
		t.Fatal(err)
	}
	if _, known := s.published[next.ID]; !known || next.From.Before(begin.Add(30*time.Second)) {
		t.Errorf("key %+v, published %t: want it published, and signing after all have read it", next, known)
	}
	if signer(s.sign(t, keys)) != signer(old) {
		t.Error("a key signs before all can have read it")
	}
	s.pass(next.From.Sub(begin))
	young := s.sign(t, keys)
	if signer(young) == signer(old) {
		t.Error("the old key signs on")
	}
	s.pass(time.Minute) // by then everybody has read the vault again
	if signer(s.sign(t, elsewhere)) != signer(young) {
		t.Error("elsewhere the old key signs on")
	}
	lived := s.refresh(t, elsewhere, life)
	if _, err := keys.Rotate(t.Context(), life); err != nil {
		t.Fatal(err)
	}
	s.pass(life)
	if _, err := s.verifier().VerifyRefresh(t.Context(), lived); err != nil {
		t.Errorf("what lives longest: %v", err)
	}
	s.pass(time.Hour)
	if raw := s.refresh(t, s.open(), time.Hour); raw == "" {
		t.Error("nothing is signed")
	}
	for id, key := range s.published {
		if id != next.ID && key.Until.IsZero() && key.From.Before(next.From) {
			t.Errorf("the first key never ends: %+v", key)
		}
	}
}

func TestWithdraw(t *testing.T) {
	s := newShelf()
	keys, elsewhere := s.open(), s.open()
	old := s.sign(t, keys)
	next, err := keys.Withdraw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.verifier().Verify(t.Context(), old); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a token of the key that was withdrawn: got %v", err)
	}
	for _, k := range []*vault.Keys{keys, elsewhere} {
		if young := s.sign(t, k); signer(young) == signer(old) {
			t.Error("the old key signs on")
		}
	}
	again, err := elsewhere.Rotate(t.Context(), time.Hour)
	if err != nil || again.ID == next.ID {
		t.Errorf("a rotation after it: got %+v, %v", again, err)
	}
	s.verify(t, s.sign(t, keys))
}

func (s *shelf) refresh(t *testing.T, keys *vault.Keys, life time.Duration) string {
	t.Helper()
	now := s.clock()
	raw, err := keys.SignRefresh(t.Context(), token.Refresh{Service: service, Issued: now, Expires: now.Add(life)})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Who rotates twice, or at once with others, has one new key.
func TestRotateTogether(t *testing.T) {
	s := newShelf()
	s.sign(t, s.open())
	var mu sync.Mutex
	got := map[string]bool{}
	var wait sync.WaitGroup
	for range 6 {
		keys := s.open()
		for range 2 {
			wait.Go(func() {
				key, err := keys.Rotate(t.Context(), time.Hour)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[key.ID] = true
			})
		}
	}
	wait.Wait()
	if len(got) != 1 || len(s.published) != 2 {
		t.Errorf("got %d new keys and %d public ones, want 1 and 2", len(got), len(s.published))
	}
}

// An empty vault that is rotated has a key that signs at once, and one that
// waits.
func TestRotateFirst(t *testing.T) {
	s := newShelf()
	keys := s.open()
	next, err := keys.Rotate(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.sign(t, keys)
	if len(s.published) != 2 || !next.From.After(begin) {
		t.Errorf("got %d public keys, the new one from %v", len(s.published), next.From)
	}
}

// However often it is rotated the document stays small, and all verifies for as
// long as it should.
func TestRotateOften(t *testing.T) {
	s := newShelf()
	keys := s.open()
	s.sign(t, keys)
	var raws []string
	for range 50 {
		raws = append(raws, s.refresh(t, keys, 24*time.Hour))
		if _, err := keys.Rotate(t.Context(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if len(s.doc) > 3500 {
			t.Fatalf("the document has %d bytes", len(s.doc))
		}
		s.pass(2 * time.Minute)
		s.sign(t, keys)
	}
	for i, raw := range raws {
		if _, err := s.verifier().VerifyRefresh(t.Context(), raw); err != nil {
			t.Errorf("the token of key %d: %v", i, err)
		}
	}
}

var errAway = errors.New("away")

// A step may fail, or happen and seem to fail. Whatever was signed verifies, the
// next one carries on, and there is no key that nobody knows.
func TestFaults(t *testing.T) {
	for _, step := range []string{"load", "store", "publish"} {
		for _, happened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, happened %t", step, happened), func(t *testing.T) {
				s := newShelf()
				fail := once(step)
				if happened {
					s.after = fail
				} else {
					s.before = fail
				}
				_, err := s.open().Sign(t.Context(), token.Token{Service: service, Issued: begin, Expires: begin.Add(time.Minute)})
				if err != nil && !errors.Is(err, errAway) {
					t.Fatal(err)
				}
				s.sign(t, s.open()) // a process that knows nothing of it
				if s.stores != 1 {
					t.Errorf("%d keys were stored, want 1", s.stores)
				}
				rotateWithFault(t, s, step, happened)
			})
		}
	}
}

func rotateWithFault(t *testing.T, s *shelf, step string, happened bool) {
	t.Helper()
	keys := s.open()
	old := s.sign(t, keys)
	if s.before, s.after = once(step), func(string) error { return nil }; happened {
		s.before, s.after = s.after, s.before
	}
	_, err := keys.Rotate(t.Context(), time.Hour)
	if !errors.Is(err, errAway) {
		t.Fatalf("rotate: got %v", err)
	}
	s.sign(t, keys)
	key, err := keys.Rotate(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if s.stores != 2 {
		t.Errorf("%d keys were stored, want 2", s.stores)
	}
	s.pass(2 * time.Minute)
	if raw := s.sign(t, s.open()); signer(raw) == signer(old) {
		t.Errorf("the old key signs on, not %s", key.ID)
	}
	s.verify(t, s.sign(t, keys))
}

// once fails a step the first time.
func once(step string) func(string) error {
	failed := false
	return func(name string) error {
		if name != step || failed {
			return nil
		}
		failed = true
		return errAway
	}
}

// A vault that can't be read is done without for a while, and not asked at each
// token.
func TestAway(t *testing.T) {
	s := newShelf()
	keys := s.open()
	s.sign(t, keys)
	asked := 0
	s.before = func(string) error { asked++; return errAway }
	for range 9 * 60 {
		s.pass(time.Second)
		s.sign(t, keys)
	}
	if asked == 0 || asked > 9*6 {
		t.Errorf("asked %d times in nine minutes", asked)
	}
	s.pass(2 * time.Minute)
	if _, err := keys.Sign(t.Context(), token.Token{Service: service, Issued: s.clock(), Expires: s.clock().Add(time.Minute)}); !errors.Is(err, errAway) {
		t.Errorf("after ten minutes: got %v", err)
	}
	s.before = func(string) error { return nil }
	s.sign(t, keys)
}

// What is in the vault is a secret, so no error quotes it.
func TestSpoiltDocument(t *testing.T) {
	good := newShelf()
	good.sign(t, good.open())
	for _, doc := range []string{"", "hunter2", `{"keys":"hunter2"}`, `{"keys":[]}`, strings.Replace(string(good.doc), `"seed":"`, `"seed":"hunter2`, 1), strings.Replace(string(good.doc), `"seed"`, `"hunter2"`, 1)} {
		s := newShelf()
		s.doc, s.version = []byte(doc), 1
		_, err := s.open().Sign(t.Context(), token.Token{Service: service, Issued: begin, Expires: begin.Add(time.Minute)})
		if err == nil || strings.Contains(err.Error(), "hunter2") || s.stores > 0 {
			t.Errorf("%.20q: got %v, %d stores", doc, err, s.stores)
		}
	}
}

// Who waits for a key leaves when they have to.
func TestImpatient(t *testing.T) {
	s := newShelf()
	reading, read := make(chan struct{}), make(chan struct{})
	s.before = func(step string) error {
		if step == "publish" {
			close(reading)
			<-read
		}
		return nil
	}
	keys := s.open()
	var wait sync.WaitGroup
	wait.Go(func() { s.sign(t, keys) })
	<-reading
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keys.Sign(gone, token.Token{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(read)
	wait.Wait()
}

// In a file it is the same.
func TestInFile(t *testing.T) {
	s := newShelf()
	path := filepath.Join(t.TempDir(), "keys.json")
	open := func() *vault.Keys { return vault.Open(vault.File(path), s.publish, s.clock) }
	old := s.sign(t, open())
	if _, err := open().Rotate(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	s.pass(2 * time.Minute)
	if signer(s.sign(t, open())) == signer(old) {
		t.Error("the old key signs on")
	}
	s.verify(t, old)
}
