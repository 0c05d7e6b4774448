package iam

import (
	"net/http"
	"strings"
	"testing"
)

func ssmOf(target, body string) (access, error) {
	return newSSMProtocol(Config{Region: "eu-central-1", Account: "123456789012"}).(ssmProtocol).access(target, []byte(body))
}

func TestSSMAccesses(t *testing.T) {
	const prefix = "arn:aws:ssm:eu-central-1:123456789012:parameter"
	for _, test := range []struct{ target, body, want string }{
		{"AmazonSSM.GetParameter", `{"Name": "/berth/team/key", "WithDecryption": true}`, "ssm:GetParameter /berth/team/key"},
		{"AmazonSSM.GetParameter", `{"Name": "/berth/team/key:3"}`, "ssm:GetParameter /berth/team/key"},
		{"AmazonSSM.GetParameter", `{"Name": "key"}`, "ssm:GetParameter /key"},
		{"AmazonSSM.PutParameter", `{"Name": "/berth/key", "Value": "v", "Type": "SecureString", "Overwrite": true}`, "ssm:PutParameter /berth/key"},
	} {
		a, err := ssmOf(test.target, test.body)
		if got := short([]access{a}, prefix); err != nil || got != test.want {
			t.Errorf("%s %s: got %s, %v, want %s", test.target, test.body, got, err, test.want)
		}
	}
}

func TestSSMUnknown(t *testing.T) {
	for _, test := range []struct {
		target, body string
		want         reason
	}{
		{"", `{}`, notImplemented},
		{"GetParameter", `{"Name": "key"}`, notImplemented},
		{"AmazonSSM.GetParameters", `{"Names": ["key"]}`, notImplemented},
		{"AmazonSSM.DeleteParameter", `{"Name": "key"}`, notImplemented},
		{"AmazonSSM.GetParameter", `{}`, notImplemented},
		{"AmazonSSM.GetParameter", `{"name": "key"}`, notImplemented},
		{"AmazonSSM.GetParameter", `{"Name": "key*"}`, notImplemented},
		{"AmazonSSM.GetParameter", `{"Name": "a//b"}`, notImplemented},
		{"AmazonSSM.GetParameter", `{"Name": "arn:aws:ssm:eu-central-1:123456789012:parameter/key"}`, notImplemented},
		{"AmazonSSM.PutParameter", `{"Name": "key", "Value": "v", "KeyId": "alias/mine"}`, notImplemented},
		{"AmazonSSM.PutParameter", `{"Name": "key", "Value": "v", "Tags": [{"Key": "a", "Value": "b"}]}`, notImplemented},
		{"AmazonSSM.GetParameter", `Name`, invalidRequest},
	} {
		a, err := ssmOf(test.target, test.body)
		if why, ok := err.(refusal); !ok || why.reason != test.want {
			t.Errorf("%s %s: got %v, %v, want reason %d", test.target, test.body, a, err, test.want)
		}
	}
}

// FuzzSSM has whatever is understood name a known action on one parameter here.
func FuzzSSM(f *testing.F) {
	f.Add("AmazonSSM.GetParameter", `{"Name": "/berth/key:2"}`)
	f.Add("AmazonSSM.PutParameter", `{"Name": "key", "Value": "v"}`)
	f.Fuzz(func(t *testing.T, target, body string) {
		a, err := ssmOf(target, body)
		if why, ok := err.(refusal); err != nil && (!ok || ssmAnswers[why.reason].status < http.StatusBadRequest) {
			t.Fatalf("%q %q: %v is not a refusal that can be written", target, body, err)
		}
		name, ok := strings.CutPrefix(a.resource, "arn:aws:ssm:eu-central-1:123456789012:parameter/")
		if err == nil && (!ok || name == "" || strings.ContainsAny(name, "*?: ") || a.action != "ssm:"+strings.TrimPrefix(target, ssmTarget)) {
			t.Fatalf("%q %q is said to need %v", target, body, a)
		}
	})
}
