package ssm_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/berthregistry/berth/shared/access/vault"
	"github.com/berthregistry/berth/shared/access/vault/ssm"
)

// A history is what was written, oldest first. Each word is a version and the one
// it was written after: "b1" is b, after version 1.
func TestWhatCounts(t *testing.T) {
	for _, test := range []struct{ history, want, version string }{
		{"a0", "a", "1"},
		{"a0 b1 c2", "c", "3"},
		{"a0 b1 c1", "b", "2"},          // c came too late
		{"a0 b1 c1 d2", "d", "4"},       // and is passed by
		{"a0 b1 c1 d1 e2 f2", "e", "5"}, // f as well
		{"a0 b1 c1 d1 e1 f1", "b", "2"},
		{"a0 b1 c2 d1", "c", "3"}, // d had slept for long
		{"a5", "a", "1"},          // deleted while somebody wrote
		{"a5 b1", "b", "2"},
	} {
		p := serve(t)
		for word := range strings.FieldsSeq(test.history) {
			p.versions = append(p.versions, "after "+word[1:]+"\n"+word[:1])
		}
		v := ssm.New(newClient(p.url, aws.NopRetryer{}), name)
		doc, version, err := v.Load(t.Context())
		if err != nil || string(doc) != test.want || version != test.version {
			t.Errorf("%s: got %s %s, %v; want %s %s", test.history, doc, version, err, test.want, test.version)
			continue
		}
		if err := v.Store(t.Context(), []byte("z"), version); err != nil {
			t.Errorf("%s: replace it: %v", test.history, err)
		}
		if doc, _, err := v.Load(t.Context()); err != nil || string(doc) != "z" {
			t.Errorf("%s: then got %s, %v", test.history, doc, err)
		}
	}
}

// Between reading and writing somebody else writes: whoever was first has won,
// both know it, and nobody reads the other.
func TestLostRace(t *testing.T) {
	p := serve(t)
	v := ssm.New(newClient(p.url, aws.NopRetryer{}), name)
	if err := v.Store(t.Context(), []byte("one"), ""); err != nil {
		t.Fatal(err)
	}
	_, version := load(t, v, "one")
	p.overtake("after 1\nrival")
	if err := v.Store(t.Context(), []byte("two"), version); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("who comes second: got %v", err)
	}
	_, version = load(t, v, "rival")
	p.overtake("after 1\nlate") // which does not count
	if err := v.Store(t.Context(), []byte("three"), version); err != nil {
		t.Errorf("beside one that came too late: got %v", err)
	}
	load(t, v, "three")
}

// An answer is lost and the client tries again: what it finds is its own.
func TestLostAnswers(t *testing.T) {
	p := serve(t)
	retryer := retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, 1 })
	v := ssm.New(newClient(p.url, retryer), name)
	version := ""
	for _, doc := range []string{"one", "two", "three"} {
		p.lose = 1
		if err := v.Store(t.Context(), []byte(doc), version); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		_, version = load(t, v, doc)
	}
	if len(p.versions) < 5 {
		t.Errorf("got %d versions: no answer was lost", len(p.versions))
	}
	p.lose = 3 // for good: it may have happened
	if err := v.Store(t.Context(), []byte("four"), version); err == nil || errors.Is(err, vault.ErrConflict) {
		t.Errorf("all answers lost: got %v", err)
	}
	load(t, v, "four")
}

// What others have put there is not taken, and not overwritten.
func TestForeignParameter(t *testing.T) {
	for _, value := range []string{"hunter2", "after x\nhunter2", "after -1\nhunter2", "after 0 hunter2", "after\nhunter2"} {
		p := serve(t)
		p.versions = []string{value}
		v := ssm.New(newClient(p.url, aws.NopRetryer{}), name)
		if _, _, err := v.Load(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") || errors.Is(err, vault.ErrAbsent) {
			t.Errorf("%q: got %v", value, err)
		}
		if err := v.Store(t.Context(), []byte("x"), ""); err == nil || len(p.versions) != 1 {
			t.Errorf("%q: overwritten, %v", value, err)
		}
	}
}

// A parameter that tells of a long history costs no more than it should.
func TestLongHistory(t *testing.T) {
	p := serve(t)
	for range 99 {
		p.versions = append(p.versions, "after 0\nx")
	}
	v := ssm.New(newClient(p.url, aws.NopRetryer{}), name)
	if _, _, err := v.Load(t.Context()); err == nil || p.requests > 1 {
		t.Errorf("got %v after %d requests", err, p.requests)
	}
}

// SSM may be away, or not let us in: neither means that nothing is there.
func TestRefused(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
		p := serve(t)
		p.refuse = status
		v := ssm.New(newClient(p.url, aws.NopRetryer{}), name)
		if _, _, err := v.Load(t.Context()); err == nil || errors.Is(err, vault.ErrAbsent) {
			t.Errorf("%d: got %v", status, err)
		}
		if err := v.Store(t.Context(), []byte("hunter2"), ""); err == nil || errors.Is(err, vault.ErrConflict) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%d: got %v", status, err)
		}
	}
}
