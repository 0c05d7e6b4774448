package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// pulled returns what the tag v1 of a repository stands for.
func pulled(t *testing.T, repo string) v1.Image {
	t.Helper()
	img, err := remote.Image(parse(t, repo))
	if err != nil {
		t.Fatalf("pull: %v", err)
	}
	return img
}

// storage are the flags that give podman and buildah a storage of their own.
// vfs asks nothing of the kernel.
func storage(t *testing.T) []string {
	t.Helper()
	dir := shortDir(t)
	return []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}
}

// Podman pulls an image, gives it another name and pushes it. It packs the
// layers anew, so it is the config that must be the same.
func TestPodmanPullsAndPushes(t *testing.T) {
	t.Parallel()
	command(t, "podman")
	source, target, podman := newRepo(t), newRepo(t), storage(t)
	img := newImage(t, 1<<10, 3<<20)
	cranePush(t, newLayout(t, img), source)
	want, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	from, to := host+"/"+source+":"+tag, host+"/"+target+":"+tag
	run(t, "podman", append(podman, "pull", "--quiet", "--tls-verify=false", from)...)
	run(t, "podman", append(podman, "tag", from, to)...)
	run(t, "podman", append(podman, "push", "--quiet", "--tls-verify=false", to)...)

	if got, err := pulled(t, target).ConfigName(); err != nil || got != want {
		t.Errorf("got config %s, %v, want %s", got, err, want)
	}
	// A second push of what is there: podman relies on the sizes that HEAD says.
	run(t, "podman", append(podman, "push", "--quiet", "--tls-verify=false", to)...)
	checkPullable(t, parse(t, target), digestOf(t, pulled(t, target)))
}

// Buildah makes an image of one file, as a Dockerfile would.
func TestBuildahBuildsAndPushes(t *testing.T) {
	t.Parallel()
	command(t, "buildah")
	repo, buildah := newRepo(t), storage(t)
	file := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(file, randomBytes(1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	container := strings.TrimSpace(run(t, "buildah", append(buildah, "from", "scratch")...))
	run(t, "buildah", append(buildah, "copy", "--quiet", container, file, "/hello")...)
	run(t, "buildah", append(buildah, "config", "--label", "greeting=hello", container)...)
	run(t, "buildah", append(buildah, "commit", "--quiet", "--tls-verify=false", container, "docker://"+host+"/"+repo+":"+tag)...)

	img := pulled(t, repo)
	checkPullable(t, parse(t, repo), digestOf(t, img))
	config, err := img.ConfigFile()
	if err != nil || config.Config.Labels["greeting"] != "hello" {
		t.Errorf("got config %v, %v, want the label greeting=hello", config, err)
	}
}
