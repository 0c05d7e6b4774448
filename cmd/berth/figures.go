package main

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
)

// figures serves metrics. Those with the name of a repository and a tag are for
// who may pull these: names alone say what there is. Without a gate they are for
// everybody.
func figures(metrics prometheus.Gatherer, gate distribution.Gate) http.Handler {
	if gate == nil {
		return promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := gate.Admit(r)
		if err != nil {
			turnAway(w, err)
			return
		}
		promhttp.HandlerFor(seenBy(who, metrics), promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// turnAway answers whose credentials are no good. Scrapers have a password and
// do not fetch tokens.
func turnAway(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	var later interface{ Seconds() int }
	switch {
	case errors.As(err, &later):
		w.Header().Set("Retry-After", strconv.Itoa(later.Seconds()))
		status = http.StatusTooManyRequests
	case errors.Is(err, oci.ErrUnauthorized):
		w.Header().Set("Www-Authenticate", `Basic realm="metrics"`)
		status = http.StatusUnauthorized
	}
	http.Error(w, http.StatusText(status), status)
}

// seenBy returns the metrics that somebody may see.
func seenBy(who *access.Session, metrics prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := metrics.Gather() // which makes them anew for each who asks
		for _, f := range families {
			f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool { return !sees(who, m) })
		}
		return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 }), err
	})
}

// sees says whether somebody may pull what a metric is about. Without a tag it
// is about the whole repository.
func sees(who *access.Session, m *dto.Metric) bool {
	var repo, tag string
	for _, label := range m.GetLabel() {
		switch label.GetName() {
		case "repository":
			repo = label.GetValue()
		case "tag":
			tag = label.GetValue()
		}
	}
	if repo == "" {
		return true
	}
	tags := who.May(repo, access.Pull).Tags
	return tags.All() || tag != "" && tags.Has(tag)
}
