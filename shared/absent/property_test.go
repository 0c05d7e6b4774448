package absent_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthregistry/berth/shared/absent"
	"github.com/berthregistry/berth/shared/oci"
)

// A world is a registry with many clients at once, who all use one Transport, but
// some who push past it. Everything takes some time, and comes about somewhere
// within it.
type world struct {
	*testing.T
	tr *absent.Transport

	mu       sync.Mutex
	rand     *rand.Rand
	attached map[string]time.Time // when a subject got its first referrer
	answered map[string]time.Time // when the first push of one through tr was answered
	seen     struct{ empty, found int }
}

// subject names a manifest of the world: several repositories have some each.
func (w *world) subject() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := oci.SHA256.Sum(fmt.Append(nil, w.rand.IntN(12)))
	return fmt.Sprintf("team/%d/manifests/%s", w.rand.IntN(3), d)
}

// some is a part of a number, at random.
func (w *world) some(most int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.IntN(most)
}

func (w *world) pause(most time.Duration) { time.Sleep(time.Duration(w.some(int(most)))) }

const latency = 700 * time.Millisecond

// RoundTrip is the registry.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	w.pause(latency) // on the way there
	resp, err := w.serve(req)
	w.pause(latency) // and back
	return resp, err
}

func (w *world) serve(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPut {
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		_, digest, _ := strings.Cut(string(raw), `"digest":"`)
		w.attach(path.Dir(req.URL.Path)[len("/v2/"):] + "/" + strings.TrimSuffix(digest, `"}}`))
		switch w.some(4) {
		case 0:
			return nil, errors.New("cut, though it has happened")
		case 1:
			return reply(201, "OCI-Subject", "sha256:1"), nil
		}
		return reply(201), nil
	}
	subject := strings.Replace(req.URL.Path[len("/v2/"):], "/referrers/", "/manifests/", 1)
	w.mu.Lock()
	_, present := w.attached[subject]
	w.mu.Unlock()
	switch {
	case strings.Contains(req.URL.Path, "/referrers/"):
		return reply(200, "From", "registry"), nil
	case present:
		return reply(200, "OCI-Referrers", "present"), nil
	}
	return reply(200, "OCI-Referrers", "absent"), nil
}

func (w *world) attach(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.attached[subject].IsZero() {
		w.attached[subject] = time.Now()
	}
}

// push attaches something, through the Transport or past it.
func (w *world) push(subject string, past bool) {
	if past {
		w.pause(latency)
		w.attach(subject)
		return
	}
	repo, digest := path.Dir(subject), path.Base(subject)
	resp := w.do("PUT", host+"/v2/"+repo+"/"+string(oci.SHA256.Sum(fmt.Append(nil, w.some(1e6)))), subjectOf(digest))
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp != nil && w.answered[subject].IsZero() {
		w.answered[subject] = time.Now()
	}
}

// do makes a request. Some bodies can be looked at, and some cannot.
func (w *world) do(method, url, body string) *http.Response {
	req, err := http.NewRequestWithContext(w.Context(), method, url, strings.NewReader(body))
	if err != nil {
		w.Error(err)
		return nil
	}
	if w.some(2) == 0 {
		req.GetBody = nil
	}
	resp, err := w.tr.RoundTrip(req)
	if err != nil {
		return nil
	}
	_ = resp.Body.Close()
	return resp
}

// pull looks at a manifest, and soon asks what refers to it.
func (w *world) pull(subject string) {
	w.do([]string{"GET", "HEAD"}[w.some(2)], host+"/v2/"+subject, "")
	w.pause(latency)
	began := time.Now()
	resp := w.do("GET", host+"/v2/"+strings.Replace(subject, "/manifests/", "/referrers/", 1), "")
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp == nil || resp.Header.Get("From") == "registry" {
		w.seen.found++
		return
	}
	w.seen.empty++
	if at := w.answered[subject]; !at.IsZero() && at.Before(began) {
		w.Errorf("%s: a push was answered %v before somebody asked, and was told of none", subject, began.Sub(at))
	}
	if at := w.attached[subject]; !at.IsZero() && time.Since(at) > absent.Longest {
		w.Errorf("%s: something is attached for %v, and somebody was told of none", subject, time.Since(at))
	}
}

// Nobody is told that there are no referrers after a push of one through the same
// Transport was answered, nor later than the moment after any other.
func TestItNeverInventsAbsence(t *testing.T) {
	empty, found := 0, 0
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{
				T: t, rand: rand.New(rand.NewPCG(seed, 6)),
				attached: map[string]time.Time{}, answered: map[string]time.Time{},
			}
			w.tr = &absent.Transport{Base: w}
			var clients sync.WaitGroup
			for range 12 {
				clients.Go(func() { w.live() })
			}
			clients.Wait()
			if got := int(w.tr.Spared()); got != w.seen.empty {
				t.Errorf("%d spared, %d empty", got, w.seen.empty)
			}
			empty, found = empty+w.seen.empty, found+w.seen.found
		})
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
	t.Logf("%d were spared, %d asked for", empty, found)
	if empty < 1000 || found < 1000 {
		t.Errorf("%d were spared and %d asked for, which shows little", empty, found)
	}
}

// live is what one client does.
func (w *world) live() {
	for range 12 {
		switch subject := w.subject(); w.some(8) {
		case 0:
			w.push(subject, false)
		case 1:
			w.push(subject, w.some(4) == 0)
		default:
			w.pull(subject)
		}
	}
}
