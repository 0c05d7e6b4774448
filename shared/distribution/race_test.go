package distribution_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// atOnce sends requests whose bodies all end at the same moment, and returns
// the statuses, sorted.
func (s *server) atOnce(n int, send func(i int, gate func([]byte) io.Reader) (answer, error)) (statuses []int, answers []answer) {
	s.Helper()
	answers = make([]answer, n)
	var ready, all sync.WaitGroup
	ready.Add(n)
	gate := func(body []byte) io.Reader {
		return io.MultiReader(bytes.NewReader(body[:len(body)-1]), &last{ready: &ready, b: body[len(body)-1]})
	}
	for i := range n {
		all.Go(func() {
			var err error
			if answers[i], err = send(i, gate); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	for _, a := range answers {
		statuses = append(statuses, a.status)
	}
	slices.Sort(statuses)
	return statuses, answers
}

// last gives one byte once all readers have come to theirs.
type last struct {
	ready *sync.WaitGroup
	b     byte
	done  bool
}

func (l *last) Read(p []byte) (int, error) {
	if l.done {
		return 0, io.EOF
	}
	l.done = true
	l.ready.Done()
	l.ready.Wait()
	p[0] = l.b
	return 1, nil
}

// Two chunks for one place: one is taken, the other told where the upload is,
// and what comes of it is one of them and not a mixture.
func TestTwoPatches(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{100, 300 << 10} {
		for _, ranged := range []bool{true, false} {
			location := s.begin("a")
			begin := noise(size)
			s.want(s.patch(location, 0, begin), http.StatusAccepted, "")
			bodies := [][]byte{bytes.Repeat([]byte("a"), size), bytes.Repeat([]byte("b"), size)}
			statuses, answers := s.atOnce(2, func(i int, gate func([]byte) io.Reader) (answer, error) {
				// The body is asked for when the upload has been looked at.
				header := []string{"Expect", "100-continue"}
				if ranged {
					header = append(header, "Content-Range", contentRange(size, size))
				}
				return s.try(http.MethodPatch, location, gate(bodies[i]), header...)
			})
			if !slices.Equal(statuses, []int{http.StatusAccepted, http.StatusRequestedRangeNotSatisfiable}) {
				t.Fatalf("%d bytes: %v, want 202 and 416", size, statuses)
			}
			won := bodies[0]
			if answers[1].status == http.StatusAccepted {
				won = bodies[1]
			}
			for _, a := range answers {
				s.wantUpload(a, location, 2*size)
			}
			content := slices.Concat(begin, won)
			s.want(s.finish(location, oci.SHA256.Sum(content), -1, nil), http.StatusCreated, "")
			s.wantBlob("a", oci.SHA256.Sum(content), content)
		}
	}
}

// One upload ends once: the blob that its answer names is there whole, and the
// other is not.
func TestTwoPuts(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{100, 300 << 10} {
		for round := range 5 {
			location := s.begin("a")
			contents := [][]byte{append(noise(size), byte(round), 0), append(noise(size), byte(round), 1)}
			_, answers := s.atOnce(2, func(i int, gate func([]byte) io.Reader) (answer, error) {
				return s.try(http.MethodPut, location+"?digest="+string(oci.SHA256.Sum(contents[i])), gate(contents[i]))
			})
			created := 0
			for i, a := range answers {
				d := oci.SHA256.Sum(contents[i])
				switch a.status {
				case http.StatusCreated:
					created++
					s.wantBlob("a", d, contents[i])
				case http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound:
					s.want(s.get("/v2/a/blobs/"+string(d)), http.StatusNotFound, "BLOB_UNKNOWN")
				default:
					t.Errorf("%d bytes: PUT = %d %s", size, a.status, a.body)
				}
			}
			if created != 1 {
				t.Errorf("%d bytes: %d PUTs of one upload were answered 201", size, created)
			}
		}
	}
}

// The same PUT twice, as of a client that was too impatient, succeeds twice.
func TestSamePutTwice(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{100, 300 << 10} {
		content := noise(size)
		location := s.begin("a")
		statuses, _ := s.atOnce(2, func(_ int, gate func([]byte) io.Reader) (answer, error) {
			return s.try(http.MethodPut, location+"?digest="+string(oci.SHA256.Sum(content)), gate(content))
		})
		// The second may come when the first has claimed the upload; then it is
		// told so, and asks again.
		if !slices.Contains(statuses, http.StatusCreated) || statuses[1] > http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%d bytes: %v", size, statuses)
		}
		s.want(s.finish(location, oci.SHA256.Sum(content), -1, content), http.StatusCreated, "")
		s.wantBlob("a", oci.SHA256.Sum(content), content)
	}
}

// The same blob pushed by many at once, by all ways, is there once and whole.
func TestSameBlobByMany(t *testing.T) {
	s := serve(t, registry.Options{})
	content := noise(100 << 10)
	d := oci.SHA256.Sum(content)
	var locations []string
	for range 4 {
		locations = append(locations, s.begin("a"))
	}
	statuses, _ := s.atOnce(8, func(i int, gate func([]byte) io.Reader) (answer, error) {
		if i < len(locations) {
			return s.try(http.MethodPut, locations[i]+"?digest="+string(d), gate(content))
		}
		return s.try(http.MethodPost, "/v2/a/blobs/uploads/?digest="+string(d), gate(content))
	})
	if statuses[0] != http.StatusCreated || statuses[7] != http.StatusCreated {
		t.Errorf("got %v, want 201 for all", statuses)
	}
	s.wantBlob("a", d, content)
}

// At no moment after the first referrer was answered 201 does anybody read
// absent, and in the end all are listed and counted.
func TestManyReferrers(t *testing.T) {
	s := serve(t, registry.Options{})
	subject := s.image("app", "1", "layer")
	first := s.attach("app", subject, "a/first", nil)
	config := s.blob("app", []byte("{}"))
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			a, err := s.try(http.MethodHead, manifestURL("app", "1"), nil)
			if err != nil || a.get("OCI-Referrers") != "present" {
				t.Errorf("HEAD = %d, %s %q, %v", a.status, headerReferrers, a.get("OCI-Referrers"), err)
				return
			}
		}
	})
	want := map[oci.Digest]bool{first.Digest: true}
	for i := range 16 {
		body := referrerOf(config, subject, fmt.Sprintf("a/type%d", i%3), map[string]string{"n": fmt.Sprint(i)})
		want[oci.SHA256.Sum(body)] = true
		writers.Go(func() {
			a, err := s.try(http.MethodPut, manifestURL("app", string(oci.SHA256.Sum(body))), bytes.NewReader(body), "Content-Type", oci.MediaTypeImage)
			if err != nil || a.status != http.StatusCreated || a.get("OCI-Subject") != string(subject.Digest) {
				t.Errorf("PUT = %d %s, %v", a.status, a.body, err)
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	index, _ := s.referrers(referrersURL("app", subject.Digest))
	for _, d := range index.Manifests {
		if !want[d.Digest] {
			t.Errorf("%s is listed", d.Digest)
		}
		delete(want, d.Digest)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	s.wantPresence("app", "1", "present", "a/first, a/type0, a/type1, a/type2")
}
