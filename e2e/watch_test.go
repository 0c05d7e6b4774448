package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// startWatch runs berth watch on a repository, and returns its events as the
// library of CloudEvents reads them.
func startWatch(t *testing.T, repo string, flags ...string) <-chan event.Event {
	t.Helper()
	resp, err := http.Get("http://" + host + "/v2/" + repo + "/_oci/ext/discover")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if list, _ := io.ReadAll(resp.Body); !strings.Contains(string(list), "_berth/v1/events") {
		t.Skip("the registry tells no events")
	}
	command, err := builtBerth()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"watch", host + "/" + repo, "--json", "--since", "1m", "--every", "1s", "--plain-http"}, flags...)
	cmd := exec.CommandContext(t.Context(), command, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	events := make(chan event.Event, 100)
	go func() {
		defer close(events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e event.Event
			err := json.Unmarshal(lines.Bytes(), &e)
			if err == nil {
				err = e.Validate()
			}
			if err != nil {
				t.Errorf("%s: %v", lines.Text(), err)
			}
			events <- e
		}
	}()
	return events
}

func nextEvent(t *testing.T, events <-chan event.Event) event.Event {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("watch has ended")
		}
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("no event within thirty seconds")
	}
	return event.Event{}
}

// Whoever watches hears of a signature when it is attached, and what it is about.
func TestWatchHearsOfReferrers(t *testing.T) {
	t.Parallel()
	name := newRepo(t)
	repo := orasRepo(t, name)
	app := attach(t, repo, "application/x.app", nil)
	if err := repo.Tag(t.Context(), app, "1.0"); err != nil {
		t.Fatal(err)
	}
	events := startWatch(t, name, "--type", "referrer")
	seen := map[string]bool{}
	for _, artifactType := range []string{"application/x.sbom", "application/x.signature"} {
		referrer := attach(t, repo, artifactType, &app)
		e := nextEvent(t, events)
		if seen[e.ID()] {
			t.Errorf("event %s comes twice", e.ID())
		}
		seen[e.ID()] = true
		var data struct {
			Repository string
			Subject    struct {
				Digest string
				Tags   []string
			}
			Referrer struct{ Digest, ArtifactType string }
		}
		if err := e.DataAs(&data); err != nil {
			t.Fatal(err)
		}
		if e.Type() != "dev.berth.referrer.attached" || e.Subject() != name+"@"+string(app.Digest) {
			t.Errorf("event of type %s about %s", e.Type(), e.Subject())
		}
		if data.Repository != name || data.Subject.Digest != string(app.Digest) || len(data.Subject.Tags) != 1 || data.Subject.Tags[0] != "1.0" ||
			data.Referrer.Digest != string(referrer.Digest) || data.Referrer.ArtifactType != artifactType {
			t.Errorf("got %+v, want %s of type %s on %s", data, referrer.Digest, artifactType, app.Digest)
		}
	}
	if err := repo.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-events:
		t.Errorf("an event that was not asked for: %s", e)
	case <-time.After(2 * time.Second):
	}
}
