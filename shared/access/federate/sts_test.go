package federate_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/berthregistry/berth/infra/localcloud/sts"
	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/federate"
	"github.com/berthregistry/berth/shared/access/federate/presign"
	"github.com/berthregistry/berth/shared/access/login"
)

const account = "123456789012"

// known are those whom AWS knows, by access key.
var known = map[string]sts.Principal{
	"ASIADEPLOYDEPLOY": {ARN: "arn:aws:sts::" + account + ":assumed-role/deploy/me", UserID: "AROADEPLOY:me", Secret: "s1", Token: "t1"},
	"AKIAALICEALICEAA": {ARN: "arn:aws:iam::" + account + ":user/team/alice", UserID: "AIDAALICE", Secret: "s2"},
	"AKIASTRANGER0000": {ARN: "arn:aws:iam::999999999999:user/eve", UserID: "AIDAEVE", Secret: "s3"},
}

// nobody holds a key that AWS does not know.
var nobody = sts.Principal{Secret: "a guess"}

// An amazon is AWS as these tests have it, with a provider before it.
type amazon struct {
	*testing.T
	clock    *clock
	endpoint *url.URL
	asked    atomic.Int32
	answer   atomic.Pointer[http.HandlerFunc] // in place of STS, if set
	provider login.Provider
	policy   *access.Policy
}

func newAmazon(t *testing.T) *amazon {
	a := &amazon{T: t, clock: &clock{}}
	stand, err := sts.New(sts.Config{
		Region: "us-east-1", Clock: a.clock.now,
		Principals: func(id string) (sts.Principal, bool) { p, ok := known[id]; return p, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		if answer := a.answer.Load(); answer != nil {
			(*answer)(w, r)
			return
		}
		stand.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	if a.endpoint, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	options := a.clock.options()
	options.Endpoint = a.endpoint
	a.provider = federate.STS(options)
	a.policy = compiled(t, &access.Policy{Audiences: []string{registry}, Accounts: []string{account}})
	return a
}

// password is what the holder of an access key logs in with.
func (a *amazon) password(key, audience string) string {
	a.Helper()
	holder, ok := known[key]
	if !ok {
		holder = nobody
	}
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(a.endpoint.String()),
		Credentials: credentials.NewStaticCredentialsProvider(key, holder.Secret, holder.Token),
	}
	password, err := presign.Password(a.Context(), cfg, audience)
	if err != nil {
		a.Fatal(err)
	}
	return password
}

func (a *amazon) login(password string) (login.Identity, error) {
	return a.provider.Login(a.Context(), login.Credentials{User: presign.User, Secret: password}, a.policy)
}

// wantAsked fails unless STS was asked so often.
func (a *amazon) wantAsked(times int32) {
	a.Helper()
	if got := a.asked.Load(); got != times {
		a.Errorf("STS was asked %d times, want %d", got, times)
	}
}

// A principal of AWS logs in with what it has, and is known by its role or its
// own name.
func TestSTS(t *testing.T) {
	for key, want := range map[string]access.Principal{
		"ASIADEPLOYDEPLOY": {Kind: access.AWS, Name: account, Subject: "arn:aws:iam::123456789012:role/deploy"},
		"AKIAALICEALICEAA": {Kind: access.AWS, Name: account, Subject: "arn:aws:iam::123456789012:user/team/alice"},
	} {
		a := newAmazon(t)
		got, err := a.login(a.password(key, registry))
		if err != nil {
			t.Fatal(err)
		}
		if got.Principal.String() != want.String() || got.Principal.Name != want.Name || got.Principal.Kind != want.Kind {
			t.Errorf("got %+v, want %+v", got.Principal, want)
		}
		if got.Claims["arn"] != known[key].ARN || got.Claims["account"] != account || got.Claims["user_id"] != known[key].UserID {
			t.Errorf("got claims %v", got.Claims)
		}
		if left := time.Until(got.Until); left > presign.Life || left < presign.Life-time.Minute {
			t.Errorf("the identity ends in %s, want what is left of %s", left, presign.Life)
		}
	}
}

func TestSTSTakesOneUser(t *testing.T) {
	provider := federate.STS(federate.Options{})
	for user, want := range map[string]bool{"aws": true, "AWS": false, "oidc": false, "": false} {
		if got := provider.Takes(user); got != want {
			t.Errorf("takes %q: got %t, want %t", user, got, want)
		}
	}
}

func TestSTSRefusals(t *testing.T) {
	const key = "ASIADEPLOYDEPLOY"
	for _, test := range []struct {
		name  string
		make  func(a *amazon) string // the password
		want  string
		asked int32
	}{
		{"for another registry", func(a *amazon) string { return a.password(key, "registry.example.org") }, "not find it signed for this registry", 1},
		{"of another account", func(a *amazon) string { return a.password("AKIASTRANGER0000", registry) }, "does not name the account 999999999999", 1},
		{"of an unknown key", func(a *amazon) string { return a.password("AKIANOBODYNOBODY", registry) }, "InvalidClientTokenId", 1},
		{"nobody's account", func(a *amazon) string { a.policy.Accounts = nil; return a.password(key, registry) }, "no account of AWS", 0},
		{"of a registry without a name", func(a *amazon) string { a.policy.Audiences = nil; return a.password(key, registry) }, "not find it signed", 0},
		{"over", func(a *amazon) string { p := a.password(key, registry); a.clock.pass(16 * time.Minute); return p }, "expired", 0},
		{"of the future", func(a *amazon) string { p := a.password(key, registry); a.clock.pass(-2 * time.Minute); return p }, "expired, or is of the future", 0},
		{"to AWS itself, where that is not asked", func(a *amazon) string {
			cfg := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(key, "s1", "t1")}
			p, _ := presign.Password(a.Context(), cfg, registry)
			return p
		}, "does not go to STS", 0},
		{"a word", func(*amazon) string { return "letmein" }, "does not go to STS", 0},
		{"no base64", func(*amazon) string { return "?!" }, "not base64url", 0},
		{"too large", func(*amazon) string { return strings.Repeat("A", 9<<10) }, "too large", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAmazon(t)
			password := test.make(a)
			_, err := a.login(password)
			wantRefused(t, err, test.want, password)
			a.wantAsked(test.asked)
		})
	}
}

// A registry that has several names is known by each.
func TestSTSAudiences(t *testing.T) {
	a := newAmazon(t)
	a.policy.Audiences = []string{"a.example.com", "b.example.com", registry, "c.example.com"}
	if _, err := a.login(a.password("ASIADEPLOYDEPLOY", registry)); err != nil {
		t.Error(err)
	}
	a.wantAsked(3)

	// One password does not lead to any number of questions.
	a.policy.Audiences = nil
	for i := range 50 {
		a.policy.Audiences = append(a.policy.Audiences, fmt.Sprintf("%d.example.com", i))
	}
	password := a.password("ASIADEPLOYDEPLOY", registry)
	_, err := a.login(password)
	wantRefused(t, err, "not find it signed", password)
	a.wantAsked(3 + 8)
}

// Docker asks for several tokens with one password. Each minute STS is asked
// whether it is still good, and the policy at every time.
func TestSTSIsRemembered(t *testing.T) {
	a := newAmazon(t)
	password := a.password("ASIADEPLOYDEPLOY", registry)
	for range 5 {
		if _, err := a.login(password); err != nil {
			t.Fatal(err)
		}
	}
	a.wantAsked(1)
	a.clock.pass(61 * time.Second)
	if _, err := a.login(password); err != nil {
		t.Fatal(err)
	}
	a.wantAsked(2)

	a.policy.Accounts = []string{"999999999999"}
	_, err := a.login(password)
	wantRefused(t, err, "does not name the account", password)
	a.policy.Accounts, a.policy.Audiences = []string{account}, []string{"registry.example.org"}
	_, err = a.login(password)
	wantRefused(t, err, "not find it signed", password)
	a.wantAsked(3)

	a.policy.Audiences = []string{registry}
	a.clock.pass(presign.Life - 90*time.Second) // the last minute ends with the password
	if _, err := a.login(password); err != nil {
		t.Fatal(err)
	}
	a.clock.pass(40 * time.Second)
	_, err = a.login(password)
	wantRefused(t, err, "expired", password)
}

// Troubles of STS are not a wrong password: nobody is to be locked out by them.
func TestSTSIsAway(t *testing.T) {
	code := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"Error":{"Code":%q,"Message":"m","Type":"Receiver"}}`, code)
		}
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"broken", code(500, "InternalFailure"), `500 "InternalFailure"`},
		{"unavailable", code(503, "ServiceUnavailable"), "503"},
		{"throttled", code(400, "Throttling"), "Throttling"},
		{"throttled in other words", code(400, "ThrottlingException"), "Throttling"},
		{"too many", code(429, "TooManyRequestsException"), "429"},
		{"a proxy's refusal", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403); fmt.Fprint(w, "<html>no</html>") }, "403"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }, "302"},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"without end", body(strings.Repeat(" ", 300<<10)), "too large"},
		{"nobody", body(`{}`), "names no principal"},
		{"no answer", body(`hello`), "neither JSON nor XML"},
		{"an account that is not the principal's", body(`{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{
			"Arn":"arn:aws:iam::999999999999:user/eve","Account":"123456789012","UserId":"x"}}}`), "names no principal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAmazon(t)
			a.answer.Store(&test.answer)
			password := a.password("ASIADEPLOYDEPLOY", registry)
			_, err := a.login(password)
			wantUnknown(t, err, test.want, password)
			if err != nil && strings.Contains(err.Error(), "X-Amz-") {
				t.Errorf("the error has the URL in it: %v", err)
			}
			a.answer.Store(nil)
			if _, err := a.login(password); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// STS that cannot be reached says nothing of the URL either.
func TestSTSIsUnreachable(t *testing.T) {
	a := newAmazon(t)
	options := a.clock.options()
	options.Endpoint = a.endpoint
	options.Transport = roundTripper(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("no route") })
	a.provider = federate.STS(options)
	password := a.password("ASIADEPLOYDEPLOY", registry)
	_, err := a.login(password)
	wantUnknown(t, err, "no route", password)
	if strings.Contains(err.Error(), "X-Amz-") {
		t.Errorf("the error has the URL in it: %v", err)
	}
}

// Towards AWS, the replay has the one form that AWS reads, and names the
// registry. XML is understood as well.
func TestSTSReplay(t *testing.T) {
	var sent *http.Request
	provider := federate.STS(federate.Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r
		w := httptest.NewRecorder()
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
			<GetCallerIdentityResult><Arn>arn:aws-cn:sts::123456789012:assumed-role/deploy/me</Arn>
			<UserId>x</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		return w.Result(), nil
	})})
	cfg := aws.Config{Region: "cn-north-1", Credentials: credentials.NewStaticCredentialsProvider("ASIADEPLOYDEPLOY", "s1", "t+/=1")}
	password, err := presign.Password(t.Context(), cfg, registry)
	if err != nil {
		t.Fatal(err)
	}
	policy := compiled(t, &access.Policy{Audiences: []string{registry}, Accounts: []string{account}})
	got, err := provider.Login(t.Context(), login.Credentials{User: "aws", Secret: password + "=="}, policy)
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws-cn:iam::123456789012:role/deploy"; got.Principal.Subject != want {
		t.Errorf("got %s, want %s", got.Principal.Subject, want)
	}
	signed, err := base64.RawURLEncoding.DecodeString(password)
	if err != nil {
		t.Fatal(err)
	}
	want, err := url.Parse(string(signed))
	if err != nil {
		t.Fatal(err)
	}
	if sent.Method != http.MethodGet || sent.URL.Host != "sts.cn-north-1.amazonaws.com.cn" || sent.URL.Path != "/" || sent.URL.Query().Encode() != want.Query().Encode() {
		t.Errorf("sent %s %s, want %s", sent.Method, sent.URL, want)
	}
	if got := sent.Header.Values("X-Berth-Registry"); len(got) != 1 || got[0] != registry {
		t.Errorf("sent the registry %q, want %q", got, registry)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
