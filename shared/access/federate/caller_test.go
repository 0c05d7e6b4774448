package federate

import (
	"strings"
	"testing"
)

func TestCallerPrincipal(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:sts::123456789012:assumed-role/deploy/session":         "arn:aws:iam::123456789012:role/deploy",
		"arn:aws:sts::123456789012:assumed-role/deploy/a:b/c":           "arn:aws:iam::123456789012:role/deploy",
		"arn:aws-us-gov:sts::123456789012:assumed-role/deploy/s":        "arn:aws-us-gov:iam::123456789012:role/deploy",
		"arn:aws:iam::123456789012:user/team/alice":                     "arn:aws:iam::123456789012:user/team/alice",
		"arn:aws:iam::123456789012:root":                                "arn:aws:iam::123456789012:root",
		"arn:aws:sts::123456789012:federated-user/assumed-role/admin/x": "arn:aws:sts::123456789012:federated-user/assumed-role/admin/x",
	} {
		c := caller{ARN: arn, Account: "123456789012"}
		if err := c.check(); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if got := c.principal(); got != want {
			t.Errorf("%s: got %s, want %s", arn, got, want)
		}
	}
}

func TestCallerCheck(t *testing.T) {
	const account = "123456789012"
	for _, c := range []caller{
		{},
		{ARN: "arn:aws:iam::123456789012:user/eve"},
		{ARN: "arn:aws:iam::123456789012:user/eve", Account: "12345678901"},
		{ARN: "arn:aws:iam::999999999999:user/eve", Account: account},
		{ARN: "arn:aws:s3::123456789012:user/eve", Account: account},
		{ARN: "arn:aws:iam:us-east-1:123456789012:user/eve", Account: account},
		{ARN: "arn:aws:iam::123456789012:", Account: account},
		{ARN: "arn:aws:iam::123456789012:user/e ve", Account: account},
		{ARN: "arn:aws:iam::123456789012:user/eve\n", Account: account},
		{ARN: "arn:aws:iam::123456789012:user/" + strings.Repeat("e", 1024), Account: account},
		{ARN: "xarn:aws:iam::123456789012:user/eve", Account: account},
	} {
		if c.check() == nil {
			t.Errorf("%+v was taken for a principal", c)
		}
	}
}

// FuzzCaller has no answer be taken for a principal that is not one.
func FuzzCaller(f *testing.F) {
	f.Add([]byte(`{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Arn":"arn:aws:iam::123456789012:root","Account":"123456789012"}}}`))
	f.Add([]byte(`<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:root</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`))
	f.Add([]byte(`<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = codeOf(body)
		c, err := readCaller(body)
		if err != nil {
			return
		}
		if !strings.HasPrefix(c.principal(), "arn:aws") || !strings.Contains(c.principal(), "::"+c.Account+":") {
			t.Errorf("%q was taken for %q of %q", body, c.principal(), c.Account)
		}
	})
}
