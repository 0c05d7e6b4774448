package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/berthregistry/berth/e2e/berth"
)

// proxied is berth proxy before the registry that the tests share.
var proxied = sync.OnceValues(func() (*berth.Server, error) {
	command, err := builtBerth()
	if err != nil {
		return nil, err
	}
	server, err := berth.StartProxy(context.Background(), command, "http://"+host)
	startedProxy = server
	return server, err
})

var startedProxy *berth.Server // nil if no test needed it

func stopProxy() error {
	if startedProxy == nil {
		return nil
	}
	return startedProxy.Stop()
}

// proxy returns what stands for the registry behind the proxy to every client.
func proxy(t *testing.T) account {
	t.Helper()
	server, err := proxied()
	if err != nil {
		t.Fatal(err)
	}
	return account{host: server.Addr}
}

// behindProxy makes layers that no request of the local cloud holds; elsewhere
// they are as large.
func behindProxy() int64 { return 3 * min(most, 8<<20) }

// Clients that send a layer in one request push through the proxy what they
// could not push to a registry on Lambda, and what they push is what comes back:
// through the proxy and past it.
func TestProxyTakesLayersOfAnySize(t *testing.T) {
	t.Parallel()
	dir := newLayout(t, newImage(t, 1<<10, behindProxy(), 17<<20))
	for _, c := range accountClients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "skopeo" {
				command(t, "skopeo")
			}
			repo := newRepo(t)
			must(t, c.name+" push", c.push(proxy(t), t.Context(), dir, repo+":"+tag))
			through, past := t.TempDir(), t.TempDir()
			must(t, c.name+" pull", c.pull(proxy(t), t.Context(), repo+":"+tag, through))
			checkSame(t, dir, through)
			must(t, c.name+" pull", c.pull(account{host: host}, t.Context(), repo+":"+tag, past))
			checkSame(t, dir, past)
		})
	}
}

// Podman packs layers while it sends them, in one PATCH whose length nobody
// knows before its end.
func TestProxyTakesPodmansStreams(t *testing.T) {
	t.Parallel()
	command(t, "podman")
	source, target, podman := newRepo(t), newRepo(t), storage(t)
	img := newImage(t, 1<<10, behindProxy())
	through := proxy(t)
	must(t, "crane push", through.cranePush(t.Context(), newLayout(t, img), source+":"+tag))
	want, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	from, to := through.host+"/"+source+":"+tag, through.host+"/"+target+":"+tag
	run(t, "podman", append(podman, "pull", "--quiet", "--tls-verify=false", from)...)
	run(t, "podman", append(podman, "tag", from, to)...)
	run(t, "podman", append(podman, "push", "--quiet", "--tls-verify=false", to)...)
	if got, err := pulled(t, target).ConfigName(); err != nil || got != want {
		t.Errorf("got config %s, %v, want %s", got, err, want)
	}
	checkPullable(t, parse(t, target), digestOf(t, pulled(t, target)))
}

func TestProxyTakesWhatBuildahBuilds(t *testing.T) {
	t.Parallel()
	command(t, "buildah")
	repo, buildah := newRepo(t), storage(t)
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, randomBytes(int(behindProxy())), 0o644); err != nil {
		t.Fatal(err)
	}
	container := strings.TrimSpace(run(t, "buildah", append(buildah, "from", "scratch")...))
	run(t, "buildah", append(buildah, "copy", "--quiet", container, file, "/large")...)
	run(t, "buildah", append(buildah, "commit", "--quiet", "--tls-verify=false", container,
		"docker://"+proxy(t).host+"/"+repo+":"+tag)...)
	checkPullable(t, parse(t, repo), digestOf(t, pulled(t, repo)))
}

// What the registry refuses is refused with its own words.
func TestProxyPassesErrorsOn(t *testing.T) {
	t.Parallel()
	err := proxy(t).cranePull(t.Context(), newRepo(t)+":"+tag, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") && !strings.Contains(err.Error(), "NAME_UNKNOWN") {
		t.Errorf("got %v, want the registry's own error", err)
	}
}
