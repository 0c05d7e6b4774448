package absent_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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
	deleted  map[string]time.Time // when a subject went
	gone     map[string]time.Time // when its deletion through tr was answered
	seen     struct{ empty, found, held int }
}

// subject names a manifest of the world: several repositories have some each.
func (w *world) subject() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := oci.SHA256.Sum(bodyOf(w.rand.IntN(12)))
	return fmt.Sprintf("team/%d/manifests/%s", w.rand.IntN(3), d)
}

func bodyOf(i int) []byte { return fmt.Append(nil, "manifest ", i) }

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
	defer w.mu.Unlock()
	_, present := w.attached[subject]
	_, deleted := w.deleted[subject]
	switch {
	case strings.Contains(req.URL.Path, "/referrers/"):
		return reply(200, "From", "registry"), nil
	case req.Method == http.MethodDelete:
		w.deleted[subject] = cmp.Or(w.deleted[subject], time.Now())
		return reply(202), nil
	case deleted || !mayRead(req.Header.Get("Authorization"), subject):
		return reply(404, "OCI-Referrers", "absent"), nil
	}
	resp := reply(200, "OCI-Referrers", "absent", "Content-Type", imageType, "Etag", req.Header.Get("Authorization"))
	if present {
		resp.Header.Set("OCI-Referrers", "present")
	}
	for i := range 12 {
		if body := bodyOf(i); req.Method == http.MethodGet && path.Base(subject) == string(oci.SHA256.Sum(body)) {
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
	}
	return resp, nil
}

// mayRead says whether somebody may read a manifest: not all may, of one repository.
func mayRead(who, subject string) bool { return who != "b" || !strings.HasPrefix(subject, "team/2/") }

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
	resp := w.do("a", "PUT", host+"/v2/"+repo+"/"+string(oci.SHA256.Sum(fmt.Append(nil, w.some(1e6)))), subjectOf(digest))
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp != nil && w.answered[subject].IsZero() {
		w.answered[subject] = time.Now()
	}
}

// delete takes a subject away, through the Transport or past it.
func (w *world) delete(subject string, past bool) {
	if past {
		w.pause(latency)
		_, _ = w.serve(httptest.NewRequest(http.MethodDelete, host+"/v2/"+subject, nil))
		return
	}
	resp := w.do("a", "DELETE", host+"/v2/"+subject, "")
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp != nil {
		w.gone[subject] = cmp.Or(w.gone[subject], time.Now())
	}
}

// do makes a request. Some bodies can be looked at, and some cannot.
func (w *world) do(who, method, url, body string) *http.Response {
	req, err := http.NewRequestWithContext(w.Context(), method, url, strings.NewReader(body))
	if err != nil {
		w.Error(err)
		return nil
	}
	req.Header.Set("Authorization", who)
	req.Header.Set("Accept", imageType)
	if w.some(2) == 0 {
		req.GetBody = nil
	}
	resp, err := w.tr.RoundTrip(req)
	if err != nil {
		return nil
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Error(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return resp
}

// look asks for a manifest.
func (w *world) look(who, subject string) {
	method, began, longest := http.MethodGet, time.Now(), time.Minute
	if w.some(3) == 0 {
		method, longest = http.MethodHead, absent.Longest
	}
	resp := w.do(who, method, host+"/v2/"+subject, "")
	if resp == nil || resp.Header.Get("Age") == "" { // it comes from the registry
		return
	}
	raw, _ := io.ReadAll(resp.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.held++
	if got := resp.Header.Get("Etag"); got != who || !mayRead(who, subject) {
		w.Errorf("%s: %s was given what %q may have", subject, who, got)
	}
	if method == http.MethodGet && string(oci.SHA256.Sum(raw)) != path.Base(subject) {
		w.Errorf("%s: got %q", subject, raw)
	}
	if at := w.gone[subject]; !at.IsZero() && at.Before(began) {
		w.Errorf("%s: its deletion was answered %v before somebody asked, and was given it", subject, began.Sub(at))
	}
	if at := w.deleted[subject]; !at.IsZero() && time.Since(at) >= longest {
		w.Errorf("%s: it is deleted for %v, and somebody was given it by %s", subject, time.Since(at), method)
	}
	if said := resp.Header.Get("OCI-Referrers"); said != "" {
		w.Errorf("%s: it is said again to be %s", subject, said)
	}
}

// list asks what refers to a manifest.
func (w *world) list(who, subject string) {
	began := time.Now()
	resp := w.do(who, "GET", host+"/v2/"+strings.Replace(subject, "/manifests/", "/referrers/", 1), "")
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp == nil || resp.Header.Get("From") == "registry" {
		w.seen.found++
		return
	}
	w.seen.empty++
	if !mayRead(who, subject) {
		w.Errorf("%s: %s was told of none, who may not know", subject, who)
	}
	if at := w.answered[subject]; !at.IsZero() && at.Before(began) {
		w.Errorf("%s: a push was answered %v before somebody asked, and was told of none", subject, began.Sub(at))
	}
	if at := w.attached[subject]; !at.IsZero() && time.Since(at) > absent.Longest {
		w.Errorf("%s: something is attached for %v, and somebody was told of none", subject, time.Since(at))
	}
}

// Nobody is told that there are no referrers after a push of one through the same
// Transport was answered, nor later than the moment after any other. Nobody is
// given a manifest that was fetched for another, or that is not there: by a
// deletion through the Transport that was answered, or by any other that is a
// minute old, a moment for HEAD.
func TestItNeverInventsAbsence(t *testing.T) {
	empty, found, held := 0, 0, 0
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{
				T: t, rand: rand.New(rand.NewPCG(seed, 6)),
				attached: map[string]time.Time{}, answered: map[string]time.Time{},
				deleted: map[string]time.Time{}, gone: map[string]time.Time{},
			}
			w.tr = &absent.Transport{Base: w, Ahead: seed%3 != 0}
			var clients sync.WaitGroup
			for range 12 {
				clients.Go(func() { w.live() })
			}
			clients.Wait()
			if got := int(w.tr.Spared()); got != w.seen.empty {
				t.Errorf("%d spared, %d empty", got, w.seen.empty)
			}
			empty, found, held = empty+w.seen.empty, found+w.seen.found, held+w.seen.held
		})
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
	t.Logf("%d were spared, %d asked for, %d manifests handed over", empty, found, held)
	if empty < 1000 || found < 1000 || held < 500 {
		t.Errorf("%d were spared, %d asked for, %d manifests handed over, which shows little", empty, found, held)
	}
}

// live is what one client does. Half of them ask for referrers first, and take their
// time with the manifest.
func (w *world) live() {
	who, first, second, most := []string{"a", "a", "b"}[w.some(3)], w.look, w.list, latency
	if w.some(2) == 0 {
		first, second, most = w.list, w.look, []time.Duration{latency, 90 * time.Second}[w.some(2)]
	}
	for range 12 {
		switch subject := w.subject(); w.some(9) {
		case 0:
			w.push(subject, false)
		case 1:
			w.push(subject, w.some(4) == 0)
		case 2:
			if w.some(3) == 0 { // so that something is left
				w.delete(subject, w.some(2) == 0)
			}
		default:
			first(who, subject)
			w.pause(most)
			second(who, subject)
		}
	}
}
