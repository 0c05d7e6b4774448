package e2e

import (
	"math"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"oras.land/oras-go/v2"
)

// tooLarge is a layout with a layer that no single request holds. Without such
// a limit there is nothing to test; the run on the local cloud has one.
func tooLarge(t *testing.T) string {
	t.Helper()
	if most == math.MaxInt64 {
		t.Skip("this registry takes requests of any size")
	}
	return newLayout(t, newImage(t, 1<<10, 2*most))
}

// regclient sends a layer again in chunks after any refusal, and so pushes what
// all others cannot. All of them pull it.
func TestLayerTooLargeForOneRequestGoesInChunks(t *testing.T) {
	t.Parallel()
	dir, repo := tooLarge(t), newRepo(t)
	regclientPush(t, dir, repo)
	pullWithAll(t, repo, dir, false)
}

// The others are refused at once and say by which status. What they pushed
// before is not in the way of a later push.
func TestLayerTooLargeForOneRequestIsRefused(t *testing.T) {
	t.Parallel()
	dir := tooLarge(t)
	for name, push := range map[string]func(t *testing.T, repo string) error{
		"crane": func(t *testing.T, repo string) error {
			path, err := layout.FromPath(dir)
			if err != nil {
				t.Fatal(err)
			}
			return remote.Push(parse(t, repo), rootOf(t, path), remote.WithContext(t.Context()))
		},
		"oras": func(t *testing.T, repo string) error {
			_, err := oras.Copy(t.Context(), orasLayout(t, dir), tag, orasRepo(t, repo), tag, oras.DefaultCopyOptions)
			return err
		},
		"skopeo": func(t *testing.T, repo string) error {
			command(t, "skopeo")
			args := append(skopeoCopy, "--dest-tls-verify=false", "oci:"+dir+":"+tag, "docker://"+host+"/"+repo+":"+tag)
			out, err := exec.CommandContext(t.Context(), "skopeo", args...).CombinedOutput()
			if err != nil {
				return failure(string(out))
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			repo := newRepo(t)
			err := push(t, repo)
			if err == nil {
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), "413") {
				t.Errorf("got %v, want it to name the status 413", err)
			}
			regclientPush(t, dir, repo)
			cranePull(t, repo, t.TempDir())
		})
	}
}

// A failure is what a program printed before it ended with an error.
type failure string

func (f failure) Error() string { return string(f) }
