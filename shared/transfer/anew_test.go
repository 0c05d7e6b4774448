package transfer

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/direct"
)

// Somebody else, whom the registry knows by the same name, has sent other bytes,
// and they are being verified when we come: that they are wrong is not our fault.
func TestPushAfterSomebodyElsesWrongBytes(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	right := randomBytes(1, 2500)
	u := f.uploadOf(t, r, describe(right))
	looks := 0
	f.verify = func(*fakeUpload) bool { looks++; return looks > 1 }
	for n := range 3 {
		f.sends(t, u, n+1, randomBytes(2, 1000)[:min(1000, 2500-n*1000)])
	}
	f.mu.Lock()
	_, status, err := f.complete(u, fmt.Appendf(nil, `{"digest":%q,"size":2500}`, u.Digest))
	f.mu.Unlock()
	if status != http.StatusAccepted || err != nil {
		t.Fatalf("complete: %d, %v", status, err)
	}
	f.called("POST begin")
	f.pushes(r, right, Direct)
	if got := f.called("POST begin"); got != 2 {
		t.Errorf("begun %d times, want 2", got)
	}
	balanced(t, e)
}

// Whose own bytes are wrong sends them once.
func TestWrongBytesAreNotSentAgain(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	_, err := r.Push(t.Context(), describe(randomBytes(1, 2500)), &memorySource{t: t, p: randomBytes(2, 2500)}, nil)
	if !refusedAs(err, "DIGEST_INVALID") {
		t.Errorf("got %v, want DIGEST_INVALID", err)
	}
	if begun, sent := f.called("POST begin"), f.called("PUT store"); begun != 1 || sent != 3 {
		t.Errorf("%d begins and %d parts, want 1 and 3", begun, sent)
	}
	balanced(t, e)
}

// A registry that finds all bytes wrong is not believed for ever.
func TestRightBytesThatAreAlwaysRefused(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	f.sick("PUT upload", 100, answering(http.StatusBadRequest, `{"errors":[{"code":"DIGEST_INVALID"}]}`))
	p := randomBytes(1, 2500)
	_, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil)
	if !refusedAs(err, "DIGEST_INVALID") {
		t.Errorf("got %v, want DIGEST_INVALID", err)
	}
	if got := f.called("POST begin"); got != 2 {
		t.Errorf("begun %d times, want 2", got)
	}
	balanced(t, e)
}

// An upload in a state that is none of the protocol's is no upload, and no panic.
func TestUploadsInStrangeStates(t *testing.T) {
	for _, state := range []direct.State{"", "closing", direct.Failed} {
		f := newFake(t)
		e, r := f.client(Options{})
		p := randomBytes(1, 2500)
		d := describe(p)
		f.sick("POST begin", 100, answering(http.StatusOK, fmt.Sprintf(
			`{"blobs":[{"digest":%q,"size":2500,"state":"upload","upload":{"id":"x","state":%q}}],"manifests":[]}`, d.Digest, state)))
		_, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, nil)
		if err == nil || !strings.Contains(err.Error(), "state") {
			t.Errorf("%q: got %v, want an error that tells the state", state, err)
		}
		balanced(t, e)
	}
}

// A verification that never ends is an error that tells what is waited for.
func TestVerificationThatNeverEnds(t *testing.T) {
	f := newFake(t)
	e, r := f.client(Options{})
	e.pace.idle = 10 * time.Millisecond
	f.verify = func(u *fakeUpload) bool { u.Verified = 17; return false }
	p := randomBytes(1, 2500)
	d := describe(p)
	_, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, nil)
	for _, tells := range []string{string(d.Digest), "still verifying", "17 bytes of 2500"} {
		if err == nil || !strings.Contains(err.Error(), tells) {
			t.Errorf("got %v, want it to tell %q", err, tells)
		}
	}
	if got := f.called("PUT upload"); got != standstills {
		t.Errorf("it was started %d times, want %d", got, standstills)
	}
	if got := f.called("DELETE upload"); got != 0 {
		t.Error("what may still be verified was given up")
	}
	balanced(t, e)
}

// What began where a mount was asked for may be over when the blob's turn comes.
func TestSmallBlobsWhoseUploadIsOver(t *testing.T) {
	o := newOther(t)
	e, r := o.client(Options{})
	p := randomBytes(1, 50)
	d := describe(p)
	r.open[d.Digest] = session{at: withQuery(r.at("blobs/uploads/gone"), "state", "secret/1")}
	if _, err := r.Push(t.Context(), d, &memorySource{t: t, p: p}, nil); err != nil {
		t.Errorf("push: %v", err)
	}
	if string(o.blobs[d.Digest]) != string(p) {
		t.Error("the blob is not there")
	}
	balanced(t, e)
}

// A registry that goes on and on about the parts that it has is not listened to.
func TestListsOfPartsThatDoNotEnd(t *testing.T) {
	for name, c := range map[string]struct{ step, parts int }{"numbers": {5000, 0}, "parts": {1, 3000}} {
		f, pages := newFake(t), 0
		p := randomBytes(1, 5000)
		s := direct.Status{ID: "endless", State: direct.Open, Size: 5000, PartSize: 1000, Next: 1}
		f.before = func(w http.ResponseWriter, _ *http.Request, kind string) bool {
			switch kind {
			case "POST begin":
				f.answer(w, direct.Begun{Blobs: []direct.Blob{{Digest: describe(p).Digest, Size: 5000, State: direct.Upload, Upload: &s}}}, http.StatusOK, nil)
				return true
			case "GET upload":
				s.Next += c.step
				s.Received = nil
				for i := range c.parts {
					s.Received = append(s.Received, direct.Part{Number: s.Next*c.parts + i})
				}
				status := http.StatusOK
				if pages++; pages > 50 {
					status = http.StatusBadRequest // it has been long enough
				}
				f.answer(w, s, status, nil)
				return true
			}
			return false
		}
		_, r := f.client(Options{})
		_, err := r.Push(t.Context(), describe(p), &memorySource{t: t, p: p}, nil)
		if !errors.Is(err, errAnswer) {
			t.Errorf("%s: %v after %d pages", name, err, pages)
		}
	}
}
