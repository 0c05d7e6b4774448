package iam_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// A principal reads the one parameter that its policy names, signed as the SDK
// does, and hears in AWS's words that it may not read another.
func TestParametersAreGuarded(t *testing.T) {
	target := fakeTarget(t, func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Name string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Name != "/berth/key" {
			t.Errorf("%q was let through: %v", asked.Name, err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		io.WriteString(w, `{"Parameter": {"Name": "/berth/key", "Value": "v", "Version": 1}}`)
	})
	const arn = "arn:aws:ssm:" + region + ":" + account + ":parameter/berth/key"
	address := serve(t, newConfig(t, iam.SSM, target, policy(t, []string{"ssm:GetParameter"}, arn)))
	client := ssm.New(ssm.Options{Region: region, BaseEndpoint: &address, Credentials: credentialsOf(session), Retryer: aws.NopRetryer{}})
	out, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/berth/key"), WithDecryption: aws.Bool(true)})
	if err != nil || *out.Parameter.Value != "v" {
		t.Fatalf("got %+v, %v", out, err)
	}
	for name, call := range map[string]func() error{
		"ssm:GetParameter": func() error {
			_, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/berth/other")})
			return err
		},
		"ssm:PutParameter": func() error {
			_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/berth/key"), Value: aws.String("v")})
			return err
		},
	} {
		api, ok := errors.AsType[smithy.APIError](call())
		if !ok || api.ErrorCode() != "AccessDeniedException" {
			t.Errorf("%s: got %v, want it refused", name, api)
		}
	}
}
