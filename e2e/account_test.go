package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/regclient/regclient"
	"github.com/regclient/regclient/config"
	"github.com/regclient/regclient/types/ref"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	orasremote "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// An account is somebody at a registry with access control; the zero user is
// nobody. Its methods return errors: most tests want one.
type account struct{ host, user, secret string }

// An accountClient takes what a layout has as v1 to a reference, and back.
type accountClient struct {
	name string
	push func(a account, ctx context.Context, dir, ref string) error
	pull func(a account, ctx context.Context, ref, dir string) error
}

var accountClients = []accountClient{
	{"crane", account.cranePush, account.cranePull},
	{"regclient", account.regclientPush, account.regclientPull},
	{"oras", account.orasPush, account.orasPull},
	{"skopeo", account.skopeoPush, account.skopeoPull},
	{"berth", account.berthPush, account.berthPull},
}

func (a account) auth() remote.Option {
	if a.user == "" {
		return remote.WithAuth(authn.Anonymous)
	}
	return remote.WithAuth(&authn.Basic{Username: a.user, Password: a.secret})
}

func (a account) cranePush(ctx context.Context, dir, ref string) error {
	to, err := name.ParseReference(a.host + "/" + ref)
	if err != nil {
		return err
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		return err
	}
	root, err := loadRoot(path)
	if err != nil {
		return err
	}
	return remote.Push(to, root, a.auth(), remote.WithContext(ctx))
}

// loadRoot returns the one thing that a layout holds.
func loadRoot(path layout.Path) (remote.Taggable, error) {
	all, err := path.ImageIndex()
	if err != nil {
		return nil, err
	}
	list, err := all.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(list.Manifests) != 1 {
		return nil, fmt.Errorf("the layout holds %d things, want one", len(list.Manifests))
	}
	if list.Manifests[0].MediaType.IsIndex() {
		return all.ImageIndex(list.Manifests[0].Digest)
	}
	return all.Image(list.Manifests[0].Digest)
}

func (a account) cranePull(ctx context.Context, ref, dir string) error {
	from, err := name.ParseReference(a.host + "/" + ref)
	if err != nil {
		return err
	}
	got, err := remote.Get(from, a.auth(), remote.WithContext(ctx))
	if err != nil {
		return err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if got.MediaType.IsIndex() {
		index, err := got.ImageIndex()
		if err != nil {
			return err
		}
		return path.AppendIndex(index)
	}
	img, err := got.Image()
	if err != nil {
		return err
	}
	return path.AppendImage(img)
}

// regclient returns one that speaks plain HTTP to the registry.
func (a account) regclient(opts ...regclient.Opt) *regclient.RegClient {
	plain := config.Host{Name: a.host, Hostname: a.host, TLS: config.TLSDisabled, User: a.user, Pass: a.secret}
	return regclient.New(append([]regclient.Opt{regclient.WithConfigHost(plain)}, opts...)...)
}

func (a account) regclientCopy(ctx context.Context, from, to string, opts ...regclient.ImageOpts) error {
	source, err := ref.New(from)
	if err != nil {
		return err
	}
	target, err := ref.New(to)
	if err != nil {
		return err
	}
	rc := a.regclient()
	if err := rc.ImageCopy(ctx, source, target, opts...); err != nil {
		return err
	}
	return rc.Close(ctx, target)
}

func (a account) regclientPush(ctx context.Context, dir, ref string) error {
	return a.regclientCopy(ctx, "ocidir://"+dir+":"+tag, a.host+"/"+ref)
}

func (a account) regclientPull(ctx context.Context, ref, dir string) error {
	return a.regclientCopy(ctx, a.host+"/"+ref, "ocidir://"+dir+":"+tag)
}

// oras opens a repository, and returns the tag or digest of the reference.
func (a account) oras(reference string) (*orasremote.Repository, string, error) {
	r, err := orasremote.NewRepository(a.host + "/" + reference)
	if err != nil {
		return nil, "", err
	}
	r.PlainHTTP = true
	r.Client = &auth.Client{
		Client:     retry.DefaultClient, // tries again, as oras does by itself
		Cache:      auth.NewCache(),
		Credential: auth.StaticCredential(a.host, auth.Credential{Username: a.user, Password: a.secret}),
	}
	return r, r.Reference.Reference, nil
}

func (a account) orasPush(ctx context.Context, dir, ref string) error {
	repo, as, err := a.oras(ref)
	if err != nil {
		return err
	}
	from, err := oci.New(dir)
	if err != nil {
		return err
	}
	_, err = oras.Copy(ctx, from, tag, repo, as, oras.DefaultCopyOptions)
	return err
}

func (a account) orasPull(ctx context.Context, ref, dir string) error {
	repo, as, err := a.oras(ref)
	if err != nil {
		return err
	}
	to, err := oci.New(dir)
	if err != nil {
		return err
	}
	_, err = oras.Copy(ctx, repo, as, to, tag, oras.DefaultCopyOptions)
	return err
}

func (a account) skopeoPush(ctx context.Context, dir, ref string) error {
	return a.skopeo(ctx, "dest", "oci:"+dir+":"+tag, "docker://"+a.host+"/"+ref)
}

func (a account) skopeoPull(ctx context.Context, ref, dir string) error {
	return a.skopeo(ctx, "src", "docker://"+a.host+"/"+ref, "oci:"+dir+":"+tag)
}

// skopeo copies; side is the one that the registry is on, src or dest.
func (a account) skopeo(ctx context.Context, side, from, to string) error {
	args := append(skopeoCopy, "--"+side+"-tls-verify=false")
	if a.user == "" {
		args = append(args, "--"+side+"-no-creds")
	} else {
		args = append(args, "--"+side+"-creds", a.user+":"+a.secret)
	}
	return execute(ctx, "skopeo", append(args, from, to)...)
}

func (a account) berthPush(ctx context.Context, dir, ref string) error {
	return a.berth(ctx, "push", dir+":"+tag, a.host+"/"+ref)
}

func (a account) berthPull(ctx context.Context, ref, dir string) error {
	return a.berth(ctx, "pull", a.host+"/"+ref, dir+":"+tag)
}

// berth runs the command, with the login where docker login would leave it.
func (a account) berth(ctx context.Context, args ...string) error {
	path, err := builtBerth()
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp(scratch, "home-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	if a.user != "" {
		login := base64.StdEncoding.EncodeToString([]byte(a.user + ":" + a.secret))
		text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, a.host, login)
		if err := os.WriteFile(filepath.Join(home, "config.json"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+home)
	return complete(cmd)
}

// execute runs a program, whose output is part of the error if it fails.
func execute(ctx context.Context, name string, args ...string) error {
	return complete(exec.CommandContext(ctx, name, args...))
}

func complete(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(out)))
	}
	return nil
}
