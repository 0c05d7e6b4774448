package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/berthregistry/berth/e2e/berth"
)

const hookSecret = "a-secret-of-24-bytes-or-more"

// A hook reads events with the library of CloudEvents.
type hook struct {
	t *testing.T

	mu     sync.Mutex
	events map[string]event.Event
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Error(err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	e, err := cehttp.NewEventFromHTTPRequest(r)
	if err == nil {
		err = e.Validate()
	}
	if err != nil || !signed(r.Header, body) {
		h.t.Errorf("not an event, or not signed: %v: %s", err, body)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events[e.ID()] = *e
}

// signed verifies as Standard Webhooks says, in as many lines as that takes
// without a library.
func signed(header http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	fmt.Fprintf(mac, "%s.%s.%s", header.Get("Webhook-Id"), header.Get("Webhook-Timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.ContainsFunc(strings.Fields(header.Get("Webhook-Signature")), func(got string) bool {
		return hmac.Equal([]byte(got), []byte(want))
	})
}

// got returns the events of a type.
func (h *hook) got(kind string) (out []event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Type() == "dev.berth."+kind {
			out = append(out, e)
		}
	}
	return out
}

// A signature that oras attaches is told to a webhook, with its subject.
func TestWebhookTellsOfReferrers(t *testing.T) {
	if binary == "" {
		t.Skip("webhooks are of berth serve, which is not what is tested")
	}
	h := &hook{t: t, events: map[string]event.Event{}}
	receiver := httptest.NewServer(h)
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	secret := filepath.Join(dir, "hook.secret")
	if err := os.WriteFile(secret, []byte(hookSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := berth.Start(t.Context(), binary, filepath.Join(dir, "data"), "--webhook", receiver.URL, "--webhook-secret-file", secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	repo, err := remote.NewRepository(server.Addr + "/" + newRepo(t))
	if err != nil {
		t.Fatal(err)
	}
	repo.PlainHTTP = true
	subject := packed(t, repo, "application/vnd.example.image", nil)
	if err := repo.Tag(t.Context(), subject, "latest"); err != nil {
		t.Fatal(err)
	}
	signature := packed(t, repo, "application/vnd.example.signature", &subject)

	for end := time.Now().Add(20 * time.Second); len(h.got("referrer.attached")) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no event within twenty seconds")
		}
	}
	e := h.got("referrer.attached")[0]
	var data struct {
		Repository string
		Subject    struct {
			Digest    string
			Tags      []string
			Referrers struct{ Total int }
		}
		Referrer v1.Descriptor
	}
	if err := e.DataAs(&data); err != nil {
		t.Fatal(err)
	}
	if data.Repository != repo.Reference.Repository || data.Subject.Digest != subject.Digest.String() || !slices.Equal(data.Subject.Tags, []string{"latest"}) ||
		data.Subject.Referrers.Total != 1 || data.Referrer.Digest != signature.Digest || data.Referrer.ArtifactType != "application/vnd.example.signature" {
		t.Errorf("got %+v", data)
	}
	if want := data.Repository + "@" + data.Subject.Digest; e.Subject() != want || e.Extensions()["partitionkey"] != want {
		t.Errorf("the subject is %s, the key %v, want %s", e.Subject(), e.Extensions()["partitionkey"], want)
	}
}

// packed pushes an artifact, about a subject if there is one.
func packed(t *testing.T, repo *remote.Repository, artifactType string, subject *v1.Descriptor) v1.Descriptor {
	t.Helper()
	d, err := oras.PackManifest(t.Context(), repo, oras.PackManifestVersion1_1, artifactType, oras.PackManifestOptions{Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
