package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/berthregistry/berth/cmd/berth/workload"
)

// newClient returns a client that logs in where it is asked to, with the
// credentials of berth login or docker login.
func newClient(base *http.Client) (*auth.Client, error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Docker's credentials: %w", err)
	}
	return &auth.Client{
		Client:     base,
		Header:     http.Header{"User-Agent": {userAgent()}},
		Cache:      auth.NewCache(),
		Credential: made(credentials.Credential(store)),
	}, nil
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
