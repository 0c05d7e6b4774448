package blobstest_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
)

const template = "../../../infra/state.yaml"

func lifecycleRules(t *testing.T, recovery int) []blobstest.LifecycleRule {
	t.Helper()
	rules, err := blobstest.LifecycleRules(template, recovery)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// bucket is one that holds one thing.
type bucket struct {
	blobstest.Bucket
	entry   blobstest.Entry
	removed bool
}

func (b *bucket) Entries(context.Context) ([]blobstest.Entry, error) {
	return []blobstest.Entry{b.entry}, nil
}

func (b *bucket) Remove(context.Context, blobstest.Entry) error {
	b.removed = true
	return nil
}

// TestSweep holds the rules to how long each thing is left alone. S3 acts at the
// midnight that follows.
func TestSweep(t *testing.T) {
	since := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	marked := map[string]string{"berth": "unverified"}
	const never = 10_000
	for name, c := range map[string]struct {
		entry    blobstest.Entry
		recovery int
		days     int // the last on which it is there
	}{
		"object":                      {blobstest.Entry{Key: "object/a"}, 7, never},
		"object with another tag":     {blobstest.Entry{Key: "object/a", Tags: map[string]string{"berth": "other"}}, 7, never},
		"marked object":               {blobstest.Entry{Key: "object/a", Tags: marked}, 7, 8},
		"tail":                        {blobstest.Entry{Key: "tail/a/b"}, 7, 8},
		"upload":                      {blobstest.Entry{Key: "object/a", Upload: "id"}, 7, 8},
		"deleted object":              {blobstest.Entry{Key: "object/a", Noncurrent: true}, 30, 30},
		"deleted object, no recovery": {blobstest.Entry{Key: "object/a", Noncurrent: true}, 0, 1},
		"deleted marked object":       {blobstest.Entry{Key: "object/a", Noncurrent: true, Tags: marked}, 30, 1},
		"deleted tail":                {blobstest.Entry{Key: "tail/a/b", Noncurrent: true}, 30, 1},
	} {
		c.entry.Since = since
		last := time.Date(2026, 3, 1+c.days, 23, 59, 59, 0, time.UTC)
		for _, at := range []struct {
			now  time.Time
			gone bool
		}{{last, false}, {last.Add(time.Second), c.days != never}} {
			b := &bucket{entry: c.entry}
			removed, err := blobstest.Sweep(t.Context(), b, lifecycleRules(t, c.recovery), at.now)
			if err != nil {
				t.Fatal(err)
			}
			if b.removed != at.gone || (len(removed) == 1) != at.gone {
				t.Errorf("%s at %v: removed %t, want %t", name, at.now, b.removed, at.gone)
			}
		}
	}
}

// TestSweepMemory leaves one of each kind behind.
func TestSweepMemory(t *testing.T) {
	now := time.Now()
	store := blobstest.NewMemory(blobstest.MemoryOptions{Now: func() time.Time { return now }})
	if err := store.Put(t.Context(), "kept", []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), blobs.Upload{Key: "appended"}, strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.BeginParts(t.Context(), "parts"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"marked", "verified"} {
		url, header, err := store.MarkedURL(t.Context(), key, 3, nil, time.Minute)
		if err == nil {
			err = store.Send(url, header, []byte("abc"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Keep(t.Context(), "verified"); err != nil {
		t.Fatal(err)
	}
	rules := lifecycleRules(t, 7)
	if removed, err := blobstest.Sweep(t.Context(), store, rules, now.Add(blobs.UploadLife)); len(removed) != 0 || err != nil {
		t.Errorf("sweep within the life of an upload: removed %v, error %v", removed, err)
	}
	now = now.Add(blobs.UploadLife + time.Minute)
	if err := store.Keep(t.Context(), "marked"); err == nil {
		t.Error("keep what is about to be swept: got no error")
	}
	removed, err := blobstest.Sweep(t.Context(), store, rules, now.Add(48*time.Hour))
	if err != nil || len(removed) != 3 {
		t.Errorf("sweep: removed %v, error %v, want 3 things", removed, err)
	}
	if got, want := store.Keys(), []string{"kept", "verified"}; !slices.Equal(got, want) {
		t.Errorf("objects: got %v, want %v", got, want)
	}
	if left, err := store.Entries(t.Context()); len(left) != 2 || err != nil {
		t.Errorf("left: got %v, error %v, want the two objects", left, err)
	}
}

// TestRulesThatAreNotUnderstood: a rule that the broom would pass over could
// remove what is in use.
func TestRulesThatAreNotUnderstood(t *testing.T) {
	text, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"ExpirationInDays: 8", "ExpirationInMonths: 8"},
		{"Prefix: tail/", "ObjectSizeGreaterThan: 1"},
		{"Status: Enabled\n            TagFilters", "Status: Disabled\n            TagFilters"},
		{"Value: unverified", "Value: unverified\n            ExpiredObjectDeleteMarker: true"},
		{"[Recoverable, !Ref Recovery, 1]", "[Recoverable, !Ref Other, 1]"},
		{"NoncurrentDays: 1", "NoncurrentDays: soon"},
		{"LifecycleConfiguration", "Lifecycle"},
	} {
		changed := strings.Replace(string(text), change[0], change[1], 1)
		if changed == string(text) {
			t.Fatalf("the template has no %q", change[0])
		}
		file := filepath.Join(t.TempDir(), "state.yaml")
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if rules, err := blobstest.LifecycleRules(file, 7); err == nil {
			t.Errorf("%s: got %v and no error", change[1], rules)
		}
	}
}
