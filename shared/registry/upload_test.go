package registry_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// TestUploadWithoutItem: an upload without bytes is only its id. It can be gone
// on with for an hour, and one that ended does not begin again.
func TestUploadWithoutItem(t *testing.T) {
	now := time.Now()
	tm := newTeam(t, registry.Options{Now: func() time.Time { return now }})
	start := func() string {
		u, err := tm.reg.StartUpload(t.Context(), tm.repo, "")
		if err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
	known := func(id string, want bool) {
		t.Helper()
		_, err := tm.reg.UploadStatus(t.Context(), tm.repo, id)
		if want != (err == nil) || err != nil && !errors.Is(err, oci.ErrUploadUnknown) {
			t.Errorf("status %v, want it known %v", err, want)
		}
	}
	idle, dropped, finished, going := start(), start(), start(), start()
	if err := tm.reg.CancelUpload(t.Context(), tm.repo, dropped); err != nil {
		t.Fatal(err)
	}
	body := payload(100)
	finish := func() error {
		_, err := tm.reg.FinishUpload(t.Context(), tm.repo, finished, -1, 100, oci.SHA256.Sum(body), bytes.NewReader(body))
		return err
	}
	if err := finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := tm.reg.AppendUpload(t.Context(), tm.repo, going, 0, 100, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	known(idle, true)
	known(dropped, false)
	known(finished, false)
	now = now.Add(50 * time.Minute)
	known(idle, true)
	now = now.Add(20 * time.Minute)
	known(idle, false)
	known(dropped, false)
	known(going, true)
	if err := finish(); err != nil {
		t.Errorf("finish again after an hour: %v, want success", err)
	}
	now = now.Add(3 * time.Hour)
	if err := finish(); !errors.Is(err, oci.ErrUploadUnknown) {
		t.Errorf("finish again after hours: %v, want BLOB_UPLOAD_UNKNOWN", err)
	}
	now = now.Add(48 * time.Hour)
	known(going, false)
}

// TestUploadIDs: only what StartUpload could have said is an upload.
func TestUploadIDs(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	u, err := tm.reg.StartUpload(t.Context(), tm.repo, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{
		"", "x", u.ID[1:], u.ID + "0", "{" + u.ID + "}", "urn:uuid:" + u.ID,
		string(bytes.ToUpper([]byte(u.ID))),          // another spelling would be another key
		u.ID[:14] + "4" + u.ID[15:],                  // of another version
		"00000000" + u.ID[8:], "ffffffff" + u.ID[8:], // of another time
	} {
		if _, err := tm.reg.UploadStatus(t.Context(), tm.repo, id); !errors.Is(err, oci.ErrUploadUnknown) {
			t.Errorf("upload %q: %v, want BLOB_UPLOAD_UNKNOWN", id, err)
		}
	}
}

// TestUploadOfAnotherRepository: an id belongs to a repository before there is
// an item that says so.
func TestUploadOfAnotherRepository(t *testing.T) {
	tm := newTeam(t, registry.Options{})
	u, err := tm.reg.StartUpload(t.Context(), tm.repo, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tm.reg.UploadStatus(t.Context(), "team/other", u.ID); !errors.Is(err, oci.ErrUploadUnknown) {
		t.Errorf("the upload of another repository: %v, want BLOB_UPLOAD_UNKNOWN", err)
	}
}
