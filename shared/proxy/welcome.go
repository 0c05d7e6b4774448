package proxy

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// A welcome remembers where the registry has lately let this login begin an
// upload.
type welcome struct {
	mu   sync.Mutex
	seen map[doorstep]time.Time
}

// A doorstep is a repository, and what the upload is said to be about.
type doorstep struct{ repo, about string }

const (
	// welcomed is how long the registry is not asked again. One that has changed
	// its mind says so when it gets the bytes.
	welcomed = time.Minute
	// maxWelcome is how many are remembered.
	maxWelcome = 1024
)

func (w *welcome) lately(at doorstep) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.seen[at]) < welcomed
}

func (w *welcome) note(at doorstep) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) >= maxWelcome || w.seen == nil {
		w.seen = make(map[doorstep]time.Time)
	}
	w.seen[at] = time.Now()
}

// ask has the registry mount a blob, if that is wanted, and else say whether it
// would take one here: before the client sends gigabytes that it would refuse.
// For that an upload is begun and, since bytes go another way, cancelled.
// What the registry answers, other than to go ahead, is passed on.
func (v *visit) ask(w http.ResponseWriter, r *http.Request, q url.Values) (answered bool, err error) {
	at := doorstep{v.target.repo, v.about}
	if !q.Has("mount") && !q.Has("digest-algorithm") && v.welcome.lately(at) {
		return false, nil
	}
	ask := url.Values{}
	for _, name := range []string{"mount", "from", "digest-algorithm"} {
		if q.Has(name) {
			ask.Set(name, q.Get(name))
		}
	}
	ctx := v.scoped(r.Context(), http.MethodPost, ask)
	resp, err := v.send(ctx, http.MethodPost, r.URL.Path, ask.Encode(), r.Header["User-Agent"])
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusAccepted {
		v.welcome.note(at)
		v.cancel(resp)
		return false, nil
	}
	return true, v.passOn(w, resp)
}

// send makes a request of the proxy's own, without a body.
func (v *visit) send(ctx context.Context, method, path, query string, agent []string) (*http.Response, error) {
	u := *v.to
	u.Path, u.RawQuery = path, query
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if len(agent) > 0 {
		req.Header["User-Agent"] = agent // of whoever the request is for
	}
	v.setHint(req.Header)
	return v.client.Do(req)
}

// cancelTime is how long the registry may take to forget an upload. One that is
// not cancelled it forgets by itself, later.
const cancelTime = 20 * time.Second

// cancel ends an upload that the registry has begun for nothing, in the
// background.
func (v *visit) cancel(resp *http.Response) {
	where, err := resp.Location()
	if err != nil || where.Host != v.to.Host || where.Scheme != v.to.Scheme {
		return
	}
	ctx := context.WithoutCancel(resp.Request.Context())
	v.uploads.inBackground(func() {
		ctx, cancel := context.WithTimeout(ctx, cancelTime)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, where.String(), nil)
		if err != nil {
			return
		}
		resp, err := v.client.Do(req)
		if err != nil {
			v.log.DebugContext(ctx, "an upload was not cancelled at the registry", "repository", v.target.repo, "error", cause(err))
			return
		}
		_ = resp.Body.Close()
	})
}
