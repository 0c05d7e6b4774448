package transfer

import (
	"net/http"
	"testing"
)

// A body that nobody came to read holds nothing: net/http opens one for a redirect
// that is not followed, and forgets it.
func TestBodiesThatAreNotRead(t *testing.T) {
	o := newOther(t)
	o.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			answering(http.StatusTemporaryRedirect, "", "Location", "http://elsewhere.invalid/")(w, r)
			return true
		}
		return false
	}
	e, r := o.client(Options{})
	e.learn(r.base.Host, false)
	p := randomBytes(1, 5000)
	if _, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil); !refusedWith(err, http.StatusTemporaryRedirect) {
		t.Errorf("got %v, want the refusal", err)
	}
	noneLeft(t) // while the context of the push goes on
	balanced(t, e)
}
