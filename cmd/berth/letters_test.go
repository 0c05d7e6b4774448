package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berthregistry/berth/shared/access/desk"
)

// What a webhook does not take is listed and sent again, by whoever may, and by
// whoever has the folder while nobody else has.
func TestLetters(t *testing.T) {
	h := newHooked(t)
	h.answers(func() int { return http.StatusGone })
	data := t.TempDir()
	g := startGuarded(t, data, accessPolicy+"  - {name: root pushes, allow: [pull, push], to: [\"user:root\"], repositories: [team/*]}\n", h.flags()...)
	berth(t, "", "letters", "list", "--registry", g.url).wants(t, 1, "wants credentials; see berth login --help")
	berth(t, "correct horse\n", "login", g.host(), "-u", "root", "--password-stdin").wants(t, 0)
	if status := g.put(t, "/v2/team/app/blobs/uploads/?digest=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "POST", "", "{}"); status != 201 {
		t.Fatalf("a blob: %d", status)
	}
	if status := g.put(t, "/v2/team/app/manifests/v1", "PUT", v1.MediaTypeImageManifest, plainImage); status != 201 {
		t.Fatalf("a manifest: %d", status)
	}
	var listed typed
	eventually(t, "three letters", func() bool {
		listed = berth(t, "", "letters", "list", "--registry", g.url).wants(t, 0, "EVENT", "REASON")
		return strings.Count(listed.out, "\n") == 4
	})
	for _, part := range []string{"tag.created", "team/app:v1", "http://127.0.0.1:", "gone (410)"} {
		if !strings.Contains(listed.out, part) {
			t.Errorf("letters lack %q:\n%s", part, listed.out)
		}
	}
	if strings.Contains(listed.out, "hush") {
		t.Errorf("letters tell the query:\n%s", listed.out)
	}
	var letter desk.Letter
	lines := strings.Split(berth(t, "", "letters", "list", "--registry", g.url, "--json").wants(t, 0).out, "\n")
	if err := json.Unmarshal([]byte(lines[0]), &letter); err != nil || letter.Tries != 1 && letter.Tries != 0 || len(letter.Event) != 64 {
		t.Errorf("got %+v, %v", letter, err)
	}
	berth(t, "", "letters", "redrive", "nothing", "--registry", g.url).wants(t, 1, "8 to 64 hexadecimal digits")
	berth(t, "", "letters", "redrive", "00000000", "--registry", g.url).wants(t, 0, "0 letters are sent again")

	h.answers(func() int { return http.StatusOK })
	berth(t, "", "letters", "redrive", letter.Event[:shortID], "--registry", g.url).wants(t, 0, "1 letters are sent again")
	eventually(t, "one event", func() bool { return h.taken() == 1 })
	berth(t, "", "letters", "list", "--data", data).wants(t, 1, "which serves")
	g.signal(os.Interrupt)
	g.end()

	offline := berth(t, "", "letters", "list", "--data", data).wants(t, 0)
	if strings.Count(offline.out, "\n") != 3 {
		t.Errorf("without serve the letters are\n%s", offline.out)
	}
	berth(t, "", "letters", "redrive", "--data", data).wants(t, 0, "2 letters are sent again")
	start(t, data, h.flags()...)
	eventually(t, "all events", func() bool { return h.taken() == 3 })
}

// A registry that is open to this machine has letters for who is on it, and
// nothing else to administer.
func TestLettersOfAnOpenRegistry(t *testing.T) {
	p := start(t, t.TempDir())
	berth(t, "", "letters", "list", "--registry", p.url).wants(t, 0, "EVENT")
	berth(t, "", "letters", "redrive", "--registry", p.url).wants(t, 0, "0 letters are sent again")
	berth(t, "", "robot", "list", "--registry", p.url).wants(t, 1, "it is open, or no Berth")
}

// One that is open to others does not tell them where webhooks are, nor which file
// is missing.
func TestLettersThatAnybodyMayRead(t *testing.T) {
	h := newHooked(t)
	h.answers(func() int { return http.StatusGone })
	data := t.TempDir()
	p := start(t, data, append(h.flags(), "--open")...)
	pushManifest(t, p.url, "team/app", "v1", v1.MediaTypeImageManifest, image(t, p.url, "team/app", 1))
	var listed typed
	eventually(t, "three letters", func() bool {
		listed = berth(t, "", "letters", "list", "--registry", p.url).wants(t, 0)
		return strings.Count(listed.out, "\n") == 4
	})
	listed.out += berth(t, "", "letters", "list", "--registry", p.url, "--json").wants(t, 0).out
	for _, part := range []string{"127.0.0.1", "gone"} {
		if strings.Contains(listed.out, part) {
			t.Errorf("letters tell %q:\n%s", part, listed.out)
		}
	}
	p.signal(os.Interrupt)
	p.end()
	if offline := berth(t, "", "letters", "list", "--data", data).wants(t, 0); !strings.Contains(offline.out, "gone (410)") {
		t.Errorf("who has the folder is told\n%s", offline.out)
	}
}

const plainImage = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",` +
	`"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`

// put sends a request as root.
func (g *guarded) put(t *testing.T, path, method, contentType, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("root", "correct horse")
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
