package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/berthregistry/berth/bench/client"
)

// The image is the one that the figure says it is.
func TestAttested(t *testing.T) {
	a := newAttested(client.NewMaker())
	referred, blobs := map[string]bool{}, map[string]bool{}
	for _, b := range a.blobs {
		blobs[b.Digest] = true
	}
	for _, m := range a.manifests {
		var got struct {
			Subject struct{ Digest string }
			Config  struct{ Digest string }
			Layers  []struct{ Digest string }
		}
		if err := json.Unmarshal(m.Body, &got); err != nil {
			t.Fatal(err)
		}
		referred[got.Subject.Digest] = true
		for _, need := range append(got.Layers, got.Config) {
			if !blobs[need.Digest] {
				t.Errorf("%s needs %s, which is not pushed", m.Body, need.Digest)
			}
		}
	}
	without := 0
	for _, m := range append(a.manifests, a.index) {
		if !referred[m.Digest] {
			without++
		}
	}
	if without != unreferred || len(a.manifests) != 77 {
		t.Errorf("nothing refers to %d of %d manifests, want %d of 78", without, len(a.manifests)+1, unreferred)
	}
	var index struct {
		Manifests []struct {
			Platform struct{ OS, Architecture, Variant string }
		}
	}
	if err := json.Unmarshal(a.index.Body, &index); err != nil {
		t.Fatal(err)
	}
	if p := index.Manifests[1].Platform; len(index.Manifests) != 7 || p.OS != "linux" || p.Architecture != "arm" || p.Variant != "v6" {
		t.Errorf("got %s", a.index.Body)
	}
}

// Delays can be compared, also when there were none.
func TestDelays(t *testing.T) {
	all := make([]time.Duration, 200)
	for i := range all {
		all[i] = time.Duration(i-100) * time.Millisecond
	}
	if got, want := delaysOf(all), (delays{p50: overtaken.Seconds(), p99: 0.098}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
