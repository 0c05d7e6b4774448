package main

import (
	"fmt"
	"net/http"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// newClient returns a client that logs in where it is asked to, with the
// credentials of docker login.
func newClient(base *http.Client) (*auth.Client, error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Docker's credentials: %w", err)
	}
	return &auth.Client{
		Client:     base,
		Header:     http.Header{"User-Agent": {userAgent()}},
		Cache:      auth.NewCache(),
		Credential: credentials.Credential(store),
	}, nil
}

func userAgent() string { return "berth/" + release() }
