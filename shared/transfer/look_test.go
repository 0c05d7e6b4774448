package transfer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func TestStandingInOtherRegistries(t *testing.T) {
	o := newOther(t)
	e, r := o.client(Options{})
	there, mounted, missing := randomBytes(1, 10), randomBytes(2, 10), randomBytes(3, 5000)
	o.blobs[describe(there).Digest] = there
	o.mounts = "lib/base"
	all := []oci.Descriptor{describe(there), describe(mounted)}
	s, err := r.Standing(t.Context(), all, []oci.Descriptor{describe(missing)}, []string{"BAD NAME", "team/app", "lib/base"})
	if err != nil || len(s) != 2 || s[all[0].Digest] != There || s[all[1].Digest] != Mounted {
		t.Errorf("got %v, %v", s, err)
	}
	// An upload that has begun where a mount was asked for is not begun again.
	o.mounts = ""
	o.called()
	if s, err = r.Standing(t.Context(), []oci.Descriptor{describe(missing)}, nil, []string{"lib/base"}); err != nil || len(s) != 0 {
		t.Errorf("got %v, %v", s, err)
	}
	o.takes(r, missing)
	if got, want := o.called(), "HEAD POST PATCH PUT"; got != want {
		t.Errorf("it took %s, want %s", got, want)
	}
	balanced(t, e)
}

// Some registries answer GET and nothing else about what is there.
func TestStandingWithoutHead(t *testing.T) {
	o := newOther(t)
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return r.Method == http.MethodHead
	}
	e, r := o.client(Options{})
	p, there, empty := randomBytes(1, 5000), randomBytes(2, 5000), []byte{}
	o.blobs[describe(there).Digest], o.blobs[describe(empty).Digest] = there, empty
	s, err := r.Standing(t.Context(), []oci.Descriptor{describe(p), describe(there), describe(empty)}, []oci.Descriptor{describe(p)}, nil)
	if err != nil || len(s) != 2 || s[describe(there).Digest] != There || s[describe(empty).Digest] != There {
		t.Errorf("got %v, %v", s, err)
	}
	o.takes(r, p)
	balanced(t, e)
}

// A registry that sends round in circles does not say that anything is there.
func TestStandingInCircles(t *testing.T) {
	circle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer circle.Close()
	o := newOther(t)
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		answering(http.StatusTemporaryRedirect, "", "Location", circle.URL+"/blob")(w, r)
		return true
	}
	_, r := o.client(Options{})
	s, err := r.Standing(t.Context(), []oci.Descriptor{describe(randomBytes(1, 10))}, nil, nil)
	if !errors.Is(err, errAnswer) || len(s) > 0 {
		t.Errorf("got %v, %v", s, err)
	}
}
