package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync/atomic"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/report"
	"github.com/berthregistry/berth/bench/tool"
)

// requestsPerImage is how many a push may send for an image that is there.
const requestsPerImage = 3

// takePresent counts the requests of a push of images all of which are there,
// as a mirror sends them day after day.
func takePresent(ctx context.Context, s *stage) error {
	registry, err := s.ours(ctx)
	if err != nil {
		return err
	}
	var requests atomic.Int64
	counter := httptest.NewServer(count(&requests, registry.Host()))
	defer counter.Close()

	layout := filepath.Join(s.dir, "images")
	if err := client.WriteLayout(layout, smallImages(s.present)...); err != nil {
		return err
	}
	berth, place := tool.Tool{Name: "berth", Path: s.berth}, counter.Listener.Addr().String()+"/"+repo("present")
	for range 2 { // the second time they are there
		requests.Store(0)
		if _, err := berth.Run(ctx, "push", "--all", layout, place); err != nil {
			return err
		}
	}
	per := float64(requests.Load()) / float64(s.present)
	row := limited(fmt.Sprintf("requests per image, %d that are there", s.present), report.Count, per, requestsPerImage)
	row.Note = fmt.Sprintf("%d requests in all", requests.Load())
	return s.add(row)
}

// count passes requests on, and counts them.
func count(requests *atomic.Int64, host string) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		proxy.ServeHTTP(w, r)
	})
}

// smallImages are images of two layers, no two alike.
func smallImages(n int) []client.Tagged {
	maker := client.NewMaker()
	var images []client.Tagged
	for i := range n {
		images = append(images, newImageOf(maker, 2, 4<<10).tagged(fmt.Sprintf("v%d", i)))
	}
	return images
}
