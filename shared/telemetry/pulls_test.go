package telemetry_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/telemetry"
)

const layer = "sha256:1111"

// byTag is a pull, as a registry tells of it.
func byTag(tag string) distribution.Exchange {
	x := pull()
	x.Ref, x.Tag, x.Pull = tag, tag, true
	return x
}

// part is a blob of an image, with the tag that a hint said.
func part(tag string) distribution.Exchange {
	x := pull()
	x.Route, x.Ref, x.Tag, x.Bytes, x.Redirected = "blob", layer, tag, 0, 100_000
	x.Status = 307
	return x
}

func TestPulls(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := telemetry.New(slog.New(slog.DiscardHandler), reg)
	head := byTag("2")
	head.Method, head.Pull, head.Bytes = "HEAD", false, 0
	absent := byTag("none")
	absent.Status, absent.Pull = 404, false
	pushed := byTag("pushed")
	pushed.Method, pushed.Status, pushed.Pull = "PUT", 201, false
	unchanged := byTag("1")
	unchanged.Status, unchanged.Pull, unchanged.Bytes = 304, false, 0
	tags := byTag("")
	tags.Route, tags.Ref, tags.Pull = "tags", "", false
	for _, x := range []distribution.Exchange{
		byTag("1"), part("1"), byTag("1"), unchanged, // pulled twice, in part
		part("made-up"), part(""), // nobody has seen such a tag
		head, part("2"), // looked up, then fetched by digest
		absent, pushed, tags,
	} {
		r.Observe(request(t), x)
	}
	want := `
# HELP berth_pull_bytes_total Bytes of manifests and blobs sent, and of blobs that clients were sent elsewhere for. The tag is empty if the client did not say.
# TYPE berth_pull_bytes_total counter
berth_pull_bytes_total{repository="team/app",tag=""} 200000
berth_pull_bytes_total{repository="team/app",tag="1"} 102468
berth_pull_bytes_total{repository="team/app",tag="2"} 100000
# HELP berth_pulls_total Manifests sent that were asked for by a tag.
# TYPE berth_pulls_total counter
berth_pulls_total{repository="team/app",tag=""} 0
berth_pulls_total{repository="team/app",tag="1"} 2
berth_pulls_total{repository="team/app",tag="2"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "berth_pulls_total", "berth_pull_bytes_total"); err != nil {
		t.Error(err)
	}
}

// Whoever makes up repositories and tags does not fill the memory.
func TestPullsHaveFewSeries(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := telemetry.New(slog.New(slog.DiscardHandler), reg)
	const all = 5000
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := w; n < all; n += 4 {
				r.Observe(request(t), byTag(fmt.Sprint("tag-", n)))
			}
		})
	}
	wg.Wait()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "berth_pulls_total" {
			continue
		}
		total := 0.0
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue()
		}
		if n := len(f.GetMetric()); n > 2001 || total != all {
			t.Errorf("%d pulls in %d series, want %d in at most 2001", int(total), n, all)
		}
	}
}
