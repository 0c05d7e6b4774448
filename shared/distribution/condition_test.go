package distribution_test

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

func quoted(d oci.Digest) string { return `"` + string(d) + `"` }

func TestManifestIfNoneMatch(t *testing.T) {
	s := serve(t, registry.Options{})
	d := s.image("app", "1", "layer").Digest
	for _, c := range []struct {
		values []string
		want   int
	}{
		{[]string{quoted(d)}, http.StatusNotModified},
		{[]string{"W/" + quoted(d)}, http.StatusNotModified},
		{[]string{"*"}, http.StatusNotModified},
		{[]string{`"a", ` + quoted(d) + `,"b"`}, http.StatusNotModified},
		{[]string{`"a"`, quoted(d)}, http.StatusNotModified},
		{[]string{` ` + quoted(d) + ` `}, http.StatusNotModified},
		{[]string{`"a"`}, http.StatusOK},
		{[]string{`"` + digest256 + `"`}, http.StatusOK},
		{[]string{quoted(d)[:20]}, http.StatusOK},
		{[]string{""}, http.StatusOK},
		{[]string{",,,"}, http.StatusOK},
	} {
		var header []string
		for _, v := range c.values {
			header = append(header, "If-None-Match", v)
		}
		for _, ref := range []string{"1", string(d)} {
			get, head := s.get(manifestURL("app", ref), header...), s.head(manifestURL("app", ref), header...)
			if get.status != c.want || head.status != c.want {
				t.Errorf("%.10s if none of %q matches: GET %d, HEAD %d, want %d", ref, c.values, get.status, head.status, c.want)
			}
			if get.get("Etag") != quoted(d) || get.get("Docker-Content-Digest") != string(d) {
				t.Errorf("%.10s: %d with %v", ref, get.status, get.header)
			}
			if get.status == http.StatusNotModified && (len(get.body) > 0 || get.get("Content-Type") != "") {
				t.Errorf("304 with a body of %d, %v", len(get.body), get.header)
			}
		}
	}
	s.want(s.get(manifestURL("app", "2"), "If-None-Match", "*"), http.StatusNotFound, "MANIFEST_UNKNOWN")
}

// A push or deletion happens only if what the client demands is so. Each case
// starts with the tag at one digest.
func TestManifestPreconditions(t *testing.T) {
	s := serve(t, registry.Options{})
	old := s.image("app", "old", "old").Digest
	next := imageOf(s.blob("app", []byte("{}")), s.blob("app", []byte("next")))
	d := s.put("app", "next", oci.MediaTypeImage, next).Digest
	const present, failed, absent = http.StatusCreated, http.StatusPreconditionFailed, http.StatusNotFound
	for i, c := range []struct {
		name, value                            string
		put, putNew, delete, deleteNew, digest int // statuses
	}{
		{"If-Match", quoted(old), present, failed, http.StatusAccepted, absent, failed},
		{"If-Match", `"x", ` + quoted(old) + `, "y"`, present, failed, http.StatusAccepted, absent, failed},
		{"If-Match", "*", present, failed, http.StatusAccepted, absent, present},
		{"If-Match", quoted(d), failed, failed, failed, absent, present},
		{"If-Match", "W/" + quoted(old), failed, failed, failed, failed, failed},
		{"If-Match", `"x"`, failed, failed, failed, failed, failed},
		{"If-Match", "", failed, failed, failed, failed, failed},
		{"If-None-Match", "*", failed, present, failed, absent, failed},
		{"If-None-Match", quoted(old), failed, failed, failed, failed, failed},
	} {
		tag, unborn := fmt.Sprintf("tag%d", i), fmt.Sprintf("new%d", i)
		s.image("app", tag, "old")
		for _, step := range []struct {
			what string
			got  answer
			want int
		}{
			{"PUT of the digest", s.tryPut("app", string(d), oci.MediaTypeImage, next, c.name, c.value), c.digest},
			{"DELETE", s.delete(manifestURL("app", tag), c.name, c.value), c.delete},
			{"DELETE of no tag", s.delete(manifestURL("app", unborn), c.name, c.value), c.deleteNew},
			{"PUT of a new tag", s.tryPut("app", unborn, oci.MediaTypeImage, next, c.name, c.value), c.putNew},
		} {
			if step.got.status != step.want {
				t.Errorf("%s with %s: %.40s = %d %s, want %d", step.what, c.name, c.value, step.got.status, step.got.body, step.want)
			}
		}
		s.image("app", tag, "old")
		a := s.tryPut("app", tag, oci.MediaTypeImage, next, c.name, c.value)
		if a.status != c.put {
			t.Errorf("PUT with %s: %.40s = %d %s, want %d", c.name, c.value, a.status, a.body, c.put)
		}
		want := map[bool]oci.Digest{true: d, false: old}[c.put == present]
		if got := s.head(manifestURL("app", tag)).get("Docker-Content-Digest"); got != string(want) {
			t.Errorf("after PUT with %s: %.40s the tag is at %s, want %s", c.name, c.value, got, want)
		}
	}
}

func TestManifestDeleteByDigestConditions(t *testing.T) {
	s := serve(t, registry.Options{})
	d := s.image("app", "1", "layer").Digest
	target := manifestURL("app", string(d))
	s.want(s.delete(target, "If-Match", `"`+digest256+`"`), http.StatusPreconditionFailed, "DENIED")
	s.want(s.delete(target, "If-None-Match", "*"), http.StatusPreconditionFailed, "DENIED")
	s.want(s.head(target), http.StatusOK, "")
	s.want(s.delete(target, "If-Match", quoted(d)), http.StatusAccepted, "")
	s.want(s.delete(target, "If-Match", "*"), http.StatusNotFound, "MANIFEST_UNKNOWN")
}

// Clients that read, change and write back with If-Match lose no update: each
// manifest names the one before, and in the end all are in the chain.
func TestManifestCompareAndSwap(t *testing.T) {
	s := serve(t, registry.Options{})
	const clients, rounds = 2, 10
	s.put("app", "log", oci.MediaTypeIndex, []byte(`{"schemaVersion":2,"manifests":[],"entries":""}`))
	var refused atomic.Int32
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for round := 0; round < rounds; {
				now, err := s.try(http.MethodGet, manifestURL("app", "log"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				entry := fmt.Sprintf("%c%d;\"}", 'a'+client, round)
				body := append(bytes.TrimSuffix(now.body, []byte(`"}`)), entry...)
				a, err := s.try(http.MethodPut, manifestURL("app", "log"), bytes.NewReader(body),
					"Content-Type", oci.MediaTypeIndex, "If-Match", now.get("Etag"))
				switch {
				case err != nil:
					t.Error(err)
					return
				case a.status == http.StatusCreated:
					round++
				case a.status == http.StatusPreconditionFailed:
					refused.Add(1)
				default:
					t.Errorf("PUT = %d %s", a.status, a.body)
					return
				}
			}
		})
	}
	wg.Wait()
	body := s.get(manifestURL("app", "log")).body
	for client := range clients {
		for round := range rounds {
			if entry := fmt.Sprintf("%c%d;", 'a'+client, round); bytes.Count(body, []byte(entry)) != 1 {
				t.Errorf("the update %s was lost: %s (%d refused)", entry, body, refused.Load())
			}
		}
	}
}

// Of many that create one tag, exactly one does.
func TestManifestCreateOnce(t *testing.T) {
	s := serve(t, registry.Options{})
	var created atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			body := fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[],"by":%d}`, i)
			a, err := s.try(http.MethodPut, manifestURL("app", "lock"), bytes.NewReader(body),
				"Content-Type", oci.MediaTypeIndex, "If-None-Match", "*")
			switch {
			case err != nil:
				t.Error(err)
			case a.status == http.StatusCreated:
				created.Add(1)
			case a.status != http.StatusPreconditionFailed:
				t.Errorf("PUT = %d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if n := created.Load(); n != 1 {
		t.Errorf("%d created the tag, want 1", n)
	}
}
