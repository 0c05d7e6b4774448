package main

import (
	"net/http"
	"strings"
	"sync"
)

// absences notes of which manifests a registry says OCI-Referrers: absent, so
// that nobody need ask for a list that is empty. Other registries say nothing,
// and then the list is asked for.
type absences struct {
	base http.RoundTripper

	mu      sync.Mutex
	digests map[string]bool
}

// RoundTrip implements http.RoundTripper.
func (a *absences) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.Contains(req.URL.Path, "/manifests/") {
		return a.base.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	req.Header.Set("OCI-Referrers", "request") // some only say it when asked
	resp, err := a.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get("OCI-Referrers") == "absent" {
		a.note(resp.Header.Get("Docker-Content-Digest"))
	}
	return resp, nil
}

func (a *absences) note(digest string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.digests == nil {
		a.digests = map[string]bool{}
	}
	a.digests[digest] = true
}

// of says whether nothing refers to a manifest that was fetched.
func (a *absences) of(digest string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.digests[digest]
}
