package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// dockerd returns how to call the Docker daemon of the tests.
func dockerd(t *testing.T) []string {
	t.Helper()
	socket := os.Getenv("BERTH_TEST_DOCKER")
	if socket == "" {
		t.Skip("BERTH_TEST_DOCKER does not name the socket of a Docker daemon")
	}
	return []string{"--host", socket}
}

// docker push streams a layer in one PATCH, packed as it goes, of a length that
// it does not know itself. It takes a loopback address for a registry without
// TLS, and whoever pushes through the proxy need not log in.
func TestDaemonPushesThroughTheProxy(t *testing.T) {
	t.Parallel()
	docker := dockerd(t)
	img := newImage(t, 1<<10, behindProxy())
	want, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	repo := newRepo(t)
	image := proxy(t).host + "/" + repo + ":" + tag
	loadDocker(t, docker, image, img)
	run(t, "docker", append(docker, "push", "--quiet", image)...)
	run(t, "docker", append(docker, "push", "--quiet", image)...) // all of it is there
	run(t, "docker", append(docker, "rmi", "--force", image)...)
	run(t, "docker", append(docker, "pull", "--quiet", image)...)

	var inspected []struct{ ID string }
	if err := json.Unmarshal([]byte(run(t, "docker", append(docker, "inspect", image)...)), &inspected); err != nil {
		t.Fatal(err)
	}
	if len(inspected) != 1 || inspected[0].ID != want.String() {
		t.Errorf("docker pulled %+v, want the image %s", inspected, want)
	}
	checkPullable(t, parse(t, repo), digestOf(t, pulled(t, repo)))
}

// berth push takes what docker save writes, and docker load what berth pull does.
func TestDaemonSavesAndLoads(t *testing.T) {
	t.Parallel()
	docker, dir := dockerd(t), t.TempDir()
	img := newImage(t, 1<<10, 3<<20)
	repo := newRepo(t)
	image := "e2e.example/" + repo + ":" + tag
	loadDocker(t, docker, image, img)
	saved, loaded := filepath.Join(dir, "saved.tar"), filepath.Join(dir, "loaded.tar")
	run(t, "docker", append(docker, "save", "--output", saved, image)...)
	run(t, "docker", append(docker, "rmi", "--force", image)...)

	runBerth(t, "push", saved, host+"/"+repo+":"+tag)
	runBerth(t, "pull", host+"/"+repo+":"+tag, "docker-archive:"+loaded)
	want, err := pulled(t, repo).ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	run(t, "docker", append(docker, "load", "--input", loaded)...)
	run(t, "docker", append(docker, "inspect", want.String())...) // fails if there is no such image
}

// loadDocker has the daemon load an image under a name.
func loadDocker(t *testing.T, docker []string, image string, img v1.Image) {
	t.Helper()
	ref, err := name.NewTag(image)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	must(t, "write an archive", tarball.WriteToFile(file, ref, img))
	said := run(t, "docker", append(docker, "load", "--quiet", "--input", file)...)
	if !strings.Contains(said, "Loaded image") {
		t.Fatalf("docker load said %q", said)
	}
}
