package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/berthregistry/berth/cmd/berth/workload"
)

// newClient returns a client that logs in where it is asked to, with the
// credentials of berth login or docker login, or else those of podman login.
func newClient(base *http.Client) (*auth.Client, error) {
	store, err := logins()
	if err != nil {
		return nil, err
	}
	return &auth.Client{
		Client:     base,
		Header:     http.Header{"User-Agent": {userAgent()}},
		Cache:      auth.NewCache(),
		Credential: made(credentials.Credential(store)),
	}, nil
}

// logins are where credentials are kept on this machine: Docker's come first.
func logins() (credentials.Store, error) {
	first, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Docker's credentials: %w", err)
	}
	var others []credentials.Store
	for _, file := range podmanFiles(os.Getenv) {
		store, err := credentials.NewStore(file, credentials.StoreOptions{})
		if err != nil {
			return nil, fmt.Errorf("read podman's credentials in %s: %w", file, err)
		}
		others = append(others, store)
	}
	return credentials.NewStoreWithFallbacks(first, others...), nil
}

// podmanFiles are those that podman, skopeo and buildah keep credentials in, by
// the rules of containers-auth.json(5).
func podmanFiles(getenv func(string) string) (files []string) {
	if file := getenv("REGISTRY_AUTH_FILE"); file != "" {
		return []string{file}
	}
	if folder := getenv("XDG_RUNTIME_DIR"); folder != "" {
		files = append(files, filepath.Join(folder, "containers", "auth.json"))
	}
	if folder := cmp.Or(getenv("XDG_CONFIG_HOME"), home(getenv, ".config")); folder != "" {
		files = append(files, filepath.Join(folder, "containers", "auth.json"))
	}
	return files
}

// home returns a folder in that of the user, or nothing.
func home(getenv func(string) string, folder string) string {
	if user := getenv("HOME"); user != "" {
		return filepath.Join(user, folder)
	}
	return ""
}

// made makes credentials for the registries that they are made for, as
// docker-credential-berth would, and finds those of others in Docker's store.
// So this command needs no helper in PATH.
func made(stored auth.CredentialFunc) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		folder, err := workload.Folder(os.Getenv)
		if err != nil {
			return auth.EmptyCredential, err
		}
		source, err := workload.NotesIn(folder).Source(host)
		if errors.Is(err, workload.ErrUnknown) {
			return stored(ctx, host)
		}
		if err != nil {
			return auth.EmptyCredential, err
		}
		c, err := machine().Credentials(ctx, source)
		if err != nil {
			return auth.EmptyCredential, err
		}
		return auth.Credential{Username: c.User, Password: c.Secret}, nil
	}
}

// machine is what this process runs on.
func machine() workload.Machine {
	return workload.Machine{
		Getenv: os.Getenv,
		HTTP:   &http.Client{Timeout: officeTimeout},
		AWS:    func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) },
	}
}

func userAgent() string { return "berth/" + release() }
