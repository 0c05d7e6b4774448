package ssm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/token"
	"github.com/berthregistry/berth/shared/access/vault"
	"github.com/berthregistry/berth/shared/access/vault/ssm"
)

func newClient(endpoint string, retryer aws.Retryer) *awsssm.Client {
	return awsssm.New(awsssm.Options{
		Region: "eu-central-1", BaseEndpoint: &endpoint, Retryer: retryer,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

// services are what the vault is tested against: a small SSM in this process,
// and the server at the URL BERTH_TEST_SSM if there is one, which is to take any
// credentials. scripts/template has one.
func services(t *testing.T, test func(t *testing.T, open func() *ssm.Vault)) {
	t.Run("in this process", func(t *testing.T) {
		p := serve(t)
		test(t, func() *ssm.Vault { return ssm.New(newClient(p.url, aws.NopRetryer{}), name) })
	})
	endpoint := os.Getenv("BERTH_TEST_SSM")
	if endpoint == "" {
		return
	}
	t.Run("a server", func(t *testing.T) {
		name := fmt.Sprintf("/berth/test-%d/signing-key", time.Now().UnixNano())
		test(t, func() *ssm.Vault { return ssm.New(newClient(endpoint, aws.NopRetryer{}), name) })
	})
}

func TestVault(t *testing.T) {
	services(t, func(t *testing.T, open func() *ssm.Vault) {
		v, ctx := open(), t.Context()
		if _, _, err := v.Load(ctx); !errors.Is(err, vault.ErrAbsent) {
			t.Fatalf("an empty vault: got %v", err)
		}
		if err := v.Store(ctx, []byte("one"), ""); err != nil {
			t.Fatal(err)
		}
		if err := v.Store(ctx, []byte("other"), ""); !errors.Is(err, vault.ErrConflict) {
			t.Errorf("a second first: got %v", err)
		}
		if err := v.Store(ctx, []byte("one"), ""); err != nil {
			t.Errorf("the same again, as after a lost answer: got %v", err)
		}
		_, version := load(t, v, "one")
		for i, doc := range []string{"two", strings.Repeat("x", 4000)} {
			if err := v.Store(ctx, []byte(doc), version); err != nil {
				t.Fatal(err)
			}
			if err := open().Store(ctx, []byte("late"), version); !errors.Is(err, vault.ErrConflict) {
				t.Errorf("replace what was replaced: got %v", err)
			}
			if _, version = load(t, open(), doc); i == 0 && version != "2" {
				t.Errorf("got version %s, want 2", version)
			}
		}
		if err := v.Store(ctx, []byte("x"), "two"); err == nil || errors.Is(err, vault.ErrConflict) {
			t.Errorf("a version of something else: got %v", err)
		}
	})
}

func load(t *testing.T, v *ssm.Vault, want string) (doc, version string) {
	t.Helper()
	got, version, err := v.Load(t.Context())
	if err != nil || string(got) != want {
		t.Fatalf("got %.20q, %v, want %.20q", got, err, want)
	}
	return string(got), version
}

// Of several that replace one version one succeeds, and what it wrote is what
// everybody reads: at once and later.
func TestTogether(t *testing.T) {
	services(t, func(t *testing.T, open func() *ssm.Vault) {
		version := ""
		for round := range 4 {
			var mu sync.Mutex
			var won []string
			var wait sync.WaitGroup
			for i := range 6 {
				wait.Go(func() {
					doc := fmt.Sprintf("%d %d", round, i)
					err := open().Store(t.Context(), []byte(doc), version)
					if err != nil && !errors.Is(err, vault.ErrConflict) {
						t.Error(err)
					}
					if err == nil {
						mu.Lock()
						defer mu.Unlock()
						won = append(won, doc)
					}
				})
			}
			wait.Wait()
			if len(won) != 1 {
				t.Fatalf("round %d: %q succeeded", round, won)
			}
			_, version = load(t, open(), won[0])
		}
	})
}

// The whole, as the function has it: a first key, and a rotation.
func TestKeys(t *testing.T) {
	services(t, func(t *testing.T, open func() *ssm.Vault) {
		var mu sync.Mutex
		published := map[string]token.PublicKey{}
		publish := func(_ context.Context, keys []token.PublicKey) error {
			mu.Lock()
			defer mu.Unlock()
			for _, key := range keys {
				published[key.ID] = key
			}
			return nil
		}
		signers := make([]*vault.Keys, 4)
		for i := range signers {
			signers[i] = vault.Open(open(), publish, time.Now)
		}
		var wait sync.WaitGroup
		for _, keys := range signers {
			wait.Go(func() {
				t0 := token.Token{Principal: access.Principal{Kind: access.Anonymous}, Service: "berth", Issued: time.Now(), Expires: time.Now().Add(time.Minute)}
				if _, err := keys.Sign(t.Context(), t0); err != nil {
					t.Error(err)
				}
				if _, err := keys.Rotate(t.Context(), time.Hour); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if len(published) != 2 {
			t.Errorf("got %d public keys, want the first one and the next", len(published))
		}
	})
}
