package telemetry

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthregistry/berth/shared/distribution"
)

// maxPulled bounds how many repositories and tags have figures of their own.
// What is pulled after that is counted under other.
const maxPulled = 2000

// other stands for the repositories and tags without figures of their own.
const other = "other"

// pulls counts what was pulled by repository and tag.
//
// A pull is a manifest that was asked for by a tag and sent. What an image
// consists of adds bytes and no pulls. What is asked for by digest has the tag
// that the client's hint says, or none. A hint may say anything, so it counts
// only for a tag that was asked for by its name before: those exist.
type pulls struct {
	count *prometheus.CounterVec
	bytes *prometheus.CounterVec

	mu     sync.RWMutex
	series map[pulled]*pullSeries
}

type pulled struct{ repository, tag string }

type pullSeries struct{ count, bytes prometheus.Counter }

func newPulls(reg prometheus.Registerer) *pulls {
	p := &pulls{
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_pulls_total",
			Help: "Manifests sent that were asked for by a tag.",
		}, []string{"repository", "tag"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_pull_bytes_total",
			Help: "Bytes of manifests and blobs sent, and of blobs that clients were sent elsewhere for. The tag is empty if the client did not say.",
		}, []string{"repository", "tag"}),
		series: map[pulled]*pullSeries{},
	}
	reg.MustRegister(p.count, p.bytes)
	return p
}

func (p *pulls) observe(x distribution.Exchange) {
	route := distribution.Route(x.Route)
	if x.Status >= 400 || route != distribution.RouteManifest && route != distribution.RouteBlob {
		return
	}
	switch {
	case x.Method == http.MethodHead && x.Ref == x.Tag:
		p.of(pulled{x.Repo, x.Tag}) // how many clients begin, who then fetch by digest
		return
	case x.Method != http.MethodGet:
		return
	}
	s := p.told(x)
	if x.Pull {
		s.count.Inc()
	}
	s.bytes.Add(float64(x.Bytes + x.Redirected))
}

// told returns the series of what was sent.
func (p *pulls) told(x distribution.Exchange) *pullSeries {
	if x.Ref == x.Tag {
		return p.of(pulled{x.Repo, x.Tag})
	}
	if s := p.known(pulled{x.Repo, x.Tag}); s != nil {
		return s
	}
	return p.of(pulled{repository: x.Repo})
}

func (p *pulls) known(l pulled) *pullSeries {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.series[l]
}

func (p *pulls) of(l pulled) *pullSeries {
	if s := p.known(l); s != nil {
		return s
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.series) >= maxPulled {
		l = pulled{other, other}
	}
	s := p.series[l]
	if s == nil {
		s = &pullSeries{p.count.WithLabelValues(l.repository, l.tag), p.bytes.WithLabelValues(l.repository, l.tag)}
		p.series[l] = s
	}
	return s
}
