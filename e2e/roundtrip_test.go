package e2e

import "testing"

// Every client pushes every kind of content, and every client pulls what each
// of them pushed: the same bytes come back.
func TestRoundTrip(t *testing.T) {
	contents := []struct {
		name   string
		dir    string
		docker bool
	}{
		{name: "image", dir: newLayout(t, newImage(t, 1<<10, 64<<10, 3<<20))},
		{name: "image without layers", dir: newLayout(t, newImage(t))},
		{name: "image of 40 MB", dir: newLayout(t, newImage(t, passing(24<<20, 16<<20)...))},
		{name: "index", dir: newIndexLayout(t)},
		{name: "docker manifest list", dir: newLayout(t, newDockerIndex(t)), docker: true},
	}
	for _, content := range contents {
		for _, pusher := range clients {
			if content.docker && pusher.oci {
				continue
			}
			t.Run(content.name+"/"+pusher.name, func(t *testing.T) {
				t.Parallel()
				pusher.require(t)
				repo := newRepo(t)
				pusher.push(t, content.dir, repo)
				pullWithAll(t, repo, content.dir, content.docker)
			})
		}
	}
}

// passing cuts layers until each passes in one request, which is how nearly all
// clients send them. The bytes stay the same in number.
func passing(layers ...int64) []int64 {
	var sizes []int64
	for _, layer := range layers {
		for ; layer > 0; layer -= min(layer, most-frame) {
			sizes = append(sizes, min(layer, most-frame))
		}
	}
	return sizes
}

// frame is more than the tar and gzip around the random bytes of a layer take.
const frame = 64 << 10

func pullWithAll(t *testing.T, repo, want string, docker bool) {
	for _, puller := range clients {
		if docker && puller.oci {
			continue
		}
		t.Run(puller.name, func(t *testing.T) {
			puller.require(t)
			got := t.TempDir()
			puller.pull(t, repo, got)
			checkSame(t, want, got)
		})
	}
}

// require skips the test where the client's program is not installed.
func (c client) require(t *testing.T) {
	t.Helper()
	if c.needs != "" {
		command(t, c.needs)
	}
}
