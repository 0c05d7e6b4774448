package parameter

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"errors"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

// newClient returns the SDK's client of a store. Nobody looks at its signature.
func newClient(t *testing.T) *ssm.Client {
	t.Helper()
	server := httptest.NewServer(New("eu-central-1", "123456789012"))
	t.Cleanup(server.Close)
	return ssm.New(ssm.Options{
		Region: "eu-central-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

func secret(name, value string, overwrite bool) *ssm.PutParameterInput {
	return &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeSecureString, Overwrite: &overwrite}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// The life of a secret, as the SDK has it.
func TestSecret(t *testing.T) {
	client, ctx := newClient(t), t.Context()
	const name = "/berth/team/key"
	get := func(name string, decrypted bool) (*types.Parameter, error) {
		out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: &decrypted})
		if err != nil {
			return nil, err
		}
		return out.Parameter, nil
	}
	_, err := get(name, true)
	wantCode(t, err, "ParameterNotFound")
	if out, err := client.PutParameter(ctx, secret(name, "first", false)); err != nil || out.Version != 1 {
		t.Fatalf("put: %+v, %v", out, err)
	}
	_, err = client.PutParameter(ctx, secret(name, "other", false))
	wantCode(t, err, "ParameterAlreadyExists")
	if out, err := client.PutParameter(ctx, secret(name, "second", true)); err != nil || out.Version != 2 {
		t.Fatalf("overwrite: %+v, %v", out, err)
	}
	for version, want := range map[string]string{"": "second", ":1": "first", ":2": "second"} {
		p, err := get(name+version, true)
		if err != nil || *p.Value != want || *p.Name != name || *p.ARN != "arn:aws:ssm:eu-central-1:123456789012:parameter/berth/team/key" {
			t.Errorf("get %q: %+v, %v, want %s", version, p, err, want)
		}
	}
	_, err = get(name+":3", true)
	wantCode(t, err, "ParameterVersionNotFound")
	if p, err := get(name, false); err != nil || strings.Contains(*p.Value, "second") || p.Type != types.ParameterTypeSecureString {
		t.Errorf("not decrypted: %+v, %v", p, err)
	}
}

func TestRefusedParameters(t *testing.T) {
	client := newClient(t)
	for _, test := range []struct{ name, value, code string }{
		{"a b", "x", "ValidationException"},
		{"a//b", "x", "ValidationException"},
		{"/aws/key", "x", "AccessDeniedException"},
		{"ssm-key", "x", "AccessDeniedException"},
		{"large", strings.Repeat("x", 4097), "ValidationException"},
	} {
		_, err := client.PutParameter(t.Context(), secret(test.name, test.value, false))
		wantCode(t, err, test.code)
	}
	_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("new"), Value: aws.String("x")})
	wantCode(t, err, "ValidationException")
	_, err = client.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String("new")})
	wantCode(t, err, "UnknownOperationException")
}

// Of many that create a parameter one succeeds, and of many that overwrite it
// each has a version of its own.
func TestTogether(t *testing.T) {
	s := New("us-east-1", "123456789012")
	const many = 150
	var wait sync.WaitGroup
	created := make([]error, many)
	for i := range many {
		wait.Go(func() { _, created[i] = s.put(put{Name: "key", Value: fmt.Sprint(i), Type: "String"}) })
	}
	wait.Wait()
	first := 0
	for _, err := range created {
		if err == nil {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d of them created it, want 1", first)
	}
	seen := make([]int64, many)
	for i := range many {
		wait.Go(func() { seen[i], _ = s.put(put{Name: "key", Value: "x", Overwrite: true}) })
	}
	wait.Wait()
	versions := map[int64]bool{}
	for _, v := range seen {
		versions[v] = true
	}
	if len(versions) != many {
		t.Errorf("got %d versions, want %d", len(versions), many)
	}
	if _, _, err := s.get("key:2"); err != errAbsentVersion {
		t.Errorf("the second version: %v, want it gone", err)
	}
}
