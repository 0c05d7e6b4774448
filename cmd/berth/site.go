package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthregistry/berth/shared/table"
)

// A site is everything that the address serves. It does without http.ServeMux
// for the registry, which would redirect odd paths that the spec wants refused,
// and takes its time.
type site struct {
	registry http.Handler
	pages    http.Handler
}

func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v2") {
		s.registry.ServeHTTP(w, r)
		return
	}
	s.pages.ServeHTTP(w, r)
}

// pages are for whoever runs the registry and, where there is a desk, for who
// wants a token.
func pages(t table.Store, metrics prometheus.Gatherer, g guard) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", figures(metrics, g.gate))
	mux.Handle("GET /healthz", health(t))
	if g.desk != nil {
		desk := paced(g.desk, patience)
		mux.Handle("/token", desk)
		mux.Handle("/_berth/", desk)
	}
	return mux
}

// healthTimeout is when a table that says nothing counts as ill.
const healthTimeout = 5 * time.Second

// health answers 200 while the table can be read, else 503.
func health(t table.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
		defer cancel()
		_, err := t.Get(ctx, table.Key{Partition: "health", Sort: "health"})
		if err != nil && !errors.Is(err, table.ErrAbsent) {
			http.Error(w, "the table does not answer", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}
