package absent_test

import (
	"bytes"
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

// A stock is a registry with manifests of one size.
type stock struct {
	bodies map[oci.Digest][]byte
	unsaid bool // how long they are
	asked  int
}

// stocked returns one, and the digests of what it has.
func stocked(size, count int) (s *stock, all []oci.Digest) {
	s = &stock{bodies: map[oci.Digest][]byte{}}
	for i := range count {
		body := append(bytes.Repeat([]byte("a"), size-8), fmt.Sprintf("%08d", i)...)
		all = append(all, oci.SHA256.Sum(body))
		s.bodies[all[i]] = body
	}
	return s, all
}

func (s *stock) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked++
	resp := reply(200, "OCI-Referrers", "present", "Content-Type", imageType)
	if body, ok := s.bodies[oci.Digest(path.Base(req.URL.Path))]; ok && strings.Contains(req.URL.Path, "/manifests/") {
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if s.unsaid {
			resp.ContentLength = -1
		}
	}
	return resp, nil
}

// listAll asks for the referrers of each, and says how many requests that has cost.
func (s *stock) listAll(t *testing.T, tr http.RoundTripper, of []oci.Digest) int {
	t.Helper()
	s.asked = 0
	for _, d := range of {
		do(t, tr, "GET", referrersOf(app, d), "")
	}
	return s.asked
}

// fetchAll asks for each, and says how many requests that has cost.
func (s *stock) fetchAll(t *testing.T, tr http.RoundTripper, all []oci.Digest) int {
	t.Helper()
	s.asked = 0
	for _, d := range all {
		do(t, tr, "GET", manifestAt(app, string(d)), "", "Accept", "*/*")
	}
	return s.asked
}

// What is held is bounded. Without room nothing is asked twice, and room comes back
// with who fetches, and with time.
func TestWhatIsHeldIsBounded(t *testing.T) {
	for _, c := range []struct{ size, held int }{{4 << 20, 4}, {1 << 20, 13}} {
		s, all := stocked(c.size, c.held+2)
		for _, s.unsaid = range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				tr := &absent.Transport{Base: s, Ahead: true}
				do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
				for range 2 {
					if got, want := s.listAll(t, tr, all), len(all)+c.held; got != want {
						t.Errorf("%d bytes: got %d requests, want %d", c.size, got, want)
					}
					if got := s.fetchAll(t, tr, all); got != 2 {
						t.Errorf("%d bytes: got %d more requests, want 2", c.size, got)
					}
					time.Sleep(time.Minute)
				}
				s.listAll(t, tr, all) // and nobody comes for them
				time.Sleep(time.Minute)
				if got := s.listAll(t, tr, all[:1]); got != 2 {
					t.Errorf("%d bytes: no room came back", c.size)
				}
			})
		}
	}
}

// Who looks at what is held makes no room for more.
func TestLookingMakesNoRoom(t *testing.T) {
	s, all := stocked(4<<20, 6)
	synctest.Test(t, func(t *testing.T) {
		tr := &absent.Transport{Base: s, Ahead: true}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
		s.listAll(t, tr, all[:4])
		time.Sleep(55 * time.Second)
		for _, d := range all[:4] {
			do(t, tr, "HEAD", manifestAt(app, string(d)), "", "Accept", "*/*")
		}
		if got := s.listAll(t, tr, all[4:]); got != 2 {
			t.Errorf("got %d requests, want 2", got)
		}
	})
}

// Those that are on their way are held already.
func TestWhatIsUnderWayIsBounded(t *testing.T) {
	s, all := stocked(4<<20, 6)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tr := &absent.Transport{Ahead: true, Base: roundTripper(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			return s.RoundTrip(req)
		})}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
		var clients sync.WaitGroup
		for _, d := range all {
			clients.Go(func() { do(t, tr, "GET", referrersOf(app, d), "") })
		}
		clients.Wait()
		if got := s.fetchAll(t, tr, all); got != 2 {
			t.Errorf("got %d more requests, want 2", got)
		}
	})
}

// A manifest that is too large is not read.
func TestWhatIsTooLarge(t *testing.T) {
	s, all := stocked(4<<20+1, 1)
	for _, s.unsaid = range []bool{true, false} {
		tr := &absent.Transport{Base: s, Ahead: true}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
		if listed, fetched := s.listAll(t, tr, all), s.fetchAll(t, tr, all); listed != 2 || fetched != 1 {
			t.Errorf("got %d requests, and %d more, want 2 and 1", listed, fetched)
		}
	}
}

// How many manifests are marked is bounded as well.
func TestSightsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := stocked(8, 8200)
		tr := &absent.Transport{Base: s, Ahead: true}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "") // is one, too
		const most = 8192
		if got, want := s.listAll(t, tr, all), len(all)+most-1; got != want {
			t.Errorf("got %d requests, want %d", got, want)
		}
		if got, want := s.fetchAll(t, tr, all), len(all)-most+1; got != want {
			t.Errorf("got %d more requests, want %d", got, want)
		}
	})
}

// Clients that list and fetch at once, whatever they come upon, cost no request
// more than they make.
func TestManyClientsCostNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := stocked(100, 60)
		var mu sync.Mutex
		r := rand.New(rand.NewPCG(1, 6))
		pause := func() {
			mu.Lock()
			d := time.Duration(r.IntN(int(200 * time.Millisecond)))
			mu.Unlock()
			time.Sleep(d)
		}
		tr := &absent.Transport{Ahead: true, Base: roundTripper(func(req *http.Request) (*http.Response, error) {
			pause()
			mu.Lock()
			defer mu.Unlock()
			resp, err := s.RoundTrip(req)
			if strings.ContainsAny(req.URL.Path[len(req.URL.Path)-1:], "02468ace") {
				resp.Header.Set("OCI-Referrers", "absent")
			}
			return resp, err
		})}
		do(t, tr, "HEAD", manifestAt("team/known", string(other)), "")
		s.asked = 0
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for _, d := range all {
					do(t, tr, "GET", referrersOf(app, d), "")
					pause()
				}
				for _, d := range all {
					do(t, tr, "GET", manifestAt(app, string(d)), "", "Accept", "*/*")
					pause()
				}
			})
		}
		clients.Wait()
		made := 4 * 2 * len(all)
		if got := s.asked; got > made-int(tr.Spared()) || tr.Spared() < 60 {
			t.Errorf("%d requests were made, %d arrived, %d were spared", made, s.asked, tr.Spared())
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
