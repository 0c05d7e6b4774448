package federate

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/access/login"
)

// noon is the time of the tests of signed requests.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	place = "https://sts.eu-central-1.amazonaws.com/"
	good  = place + "?Action=GetCallerIdentity&Version=2011-06-15" +
		"&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIADEPLOYDEPLOY%2F20261121%2Feu-central-1%2Fsts%2Faws4_request" +
		"&X-Amz-Date=20261121T115900Z&X-Amz-Expires=900&X-Amz-Security-Token=a%2Bb%2F%3D" +
		"&X-Amz-SignedHeaders=host%3Bx-berth-registry" +
		"&X-Amz-Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// with is the good request with a part of it replaced.
func with(old, by string) string {
	if !strings.Contains(good, old) {
		panic(old + " is not there to be replaced")
	}
	return strings.Replace(good, old, by, 1)
}

func password(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// A signed request leads to AWS, or is refused before anything is sent.
func TestPinnedPlace(t *testing.T) {
	for text, want := range map[string]bool{
		place:                        true,
		"https://sts.amazonaws.com/": true,
		"https://sts.us-gov-west-1.amazonaws.com/":  true,
		"https://sts.ap-southeast-2.amazonaws.com/": true,
		"https://sts-fips.us-east-1.amazonaws.com/": true,
		"https://sts.cn-north-1.amazonaws.com.cn/":  true,

		"https://sts.eu-central-1.amazonaws.com.example.com/": false,
		"https://sts.amazonaws.com.cn/":                       false,
		"https://sts.eu-central-1.amazonaws.com.cn/":          false,
		"https://example.com/":                                false,
		"https://example.com/sts.amazonaws.com/":              false,
		"https://sts.amazonaws.com@example.com/":              false,
		"https://me:secret@sts.amazonaws.com/":                false,
		"https://sts.amazonaws.com:443/":                      false,
		"https://sts.amazonaws.com:8443/":                     false,
		"https://STS.amazonaws.com/":                          false,
		"https://sts.amazonaws.com./":                         false,
		"https://stsXamazonaws.com/":                          false,
		"https://xsts.amazonaws.com/":                         false,
		"https://iam.amazonaws.com/":                          false,
		"https://sts.s3.amazonaws.com/":                       false, // somebody's bucket
		"https://sts.s3-eu-west-1.amazonaws.com/":             false,
		"https://sts.s3.eu-central-1.amazonaws.com/":          false,
		"https://sts.us-east-1.elb.amazonaws.com/":            false, // somebody's load balancer
		"https://sts.execute-api.us-east-1.amazonaws.com/":    false,
		"https://sts.eu-central-1.amazonaws.com":              false,
		"https://sts.eu-central-1.amazonaws.com//":            false,
		"https://sts.eu-central-1.amazonaws.com/x":            false,
		"https://sts.eu-central-1.amazonaws.com/%2F":          false,
		"https://sts.eu-central-1.amazonaws.com/.":            false,
		"https://127.0.0.1/":                                  false,
		"https://[::1]/":                                      false,
		"http://sts.eu-central-1.amazonaws.com/":              false,
		"//sts.eu-central-1.amazonaws.com/":                   false,
		"file://sts.eu-central-1.amazonaws.com/":              false,
		"https:sts.eu-central-1.amazonaws.com/":               false,
		"":                                                    false,
	} {
		_, err := readPresigned(password(with(place, text)), nil, noon)
		if want && err != nil || !want && !errors.Is(err, login.ErrRefused) {
			t.Errorf("%s: got error %v, want it taken: %t", text, err, want)
		}
	}
}

// It asks who has signed, now, for a registry, and nothing beside that.
func TestPinnedQuery(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":                good,
		"without a session token": with("&X-Amz-Security-Token=a%2Bb%2F%3D", ""),
		"a short life":            with("Expires=900", "Expires=90"),
		"a clock that is ahead":   with("T115900Z", "T120059Z"),
	} {
		if _, err := readPresigned(password(text), nil, noon); err != nil {
			t.Errorf("%s: got error %v, want it taken", name, err)
		}
	}
	for name, text := range map[string]string{
		"another action":    with("GetCallerIdentity", "GetSessionToken"),
		"another version":   with("2011-06-15", "2011-06-16"),
		"another algorithm": with("SHA256", "SHA1"),
		"another service":   with("%2Fsts%2F", "%2Fs3%2F"),
		"no request":        with("aws4_request", "aws4"),

		"another day":            with("%2F20261121%2F", "%2F20261120%2F"),
		"no time":                with("T115900Z", "T115960Z"),
		"another form of time":   with("T115900Z", "T115900"),
		"a life of a day":        with("Expires=900", "Expires=86400"),
		"a second too long":      with("Expires=900", "Expires=901"),
		"no life":                with("Expires=900", "Expires=0"),
		"a life before its time": with("Expires=900", "Expires=-1"),
		"two lives":              with("Expires=900", "Expires=60&X-Amz-Expires=900"),
		"over":                   with("T115900Z", "T114500Z"),
		"of the future":          with("T115900Z", "T120101Z"),

		"only the host signed":    with("%3Bx-berth-registry", ""),
		"more signed":             with("x-berth-registry", "x-berth-registry%3Bx-other"),
		"another header signed":   with("x-berth-registry", "x-k8s-aws-id"),
		"a signature in capitals": with("0123456789abcdef", "0123456789ABCDEF"),
		"no signature":            good[:strings.LastIndex(good, "&")],

		"two actions":                     with("Action=", "Action=GetCallerIdentity&Action="),
		"an action in other letters":      with("Action=", "action=GetSessionToken&Action="),
		"only an action in other letters": with("Action=", "action="),
		"no action":                       with("Action=GetCallerIdentity&", ""),
		"an action and a line":            with("Identity&", "Identity%0A&"),
		"a parameter more":                with("Action=", "RoleArn=x&Action="),
		"a parameter without a name":      with("Action=", "=x&Action="),
		"a semicolon":                     with("Action=", "x;y=z&Action="),
		"a bad escape":                    with("Action=", "x=%zz&Action="),
		"an empty session token":          with("a%2Bb%2F%3D", ""),
		"a session token and a line":      with("a%2Bb", "a%0D%0Ab"),
		"a fragment":                      good + "#x",
	} {
		if _, err := readPresigned(password(text), nil, noon); !errors.Is(err, login.ErrRefused) {
			t.Errorf("%s: got error %v, want a refusal", name, err)
		}
	}
}

// FuzzPresigned has nothing be sent but what AWS's own host is asked, whatever
// somebody makes up.
func FuzzPresigned(f *testing.F) {
	f.Add(good)
	f.Add(with("https://", "http://"))
	f.Add(with("Action=", "Action=%47etCallerIdentity&X-Amz-Date=&action="))
	f.Add("https://sts.amazonaws.com/?" + strings.Repeat("&", 100))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readPresigned(password(text), nil, noon)
		if err != nil {
			if !errors.Is(err, login.ErrRefused) || len(err.Error()) > 200 {
				t.Errorf("%q: got error %v, want a short refusal", text, err)
			}
			return
		}
		u, err := url.Parse(r.url)
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		if !strings.HasPrefix(u.Host, "sts.") || !strings.HasSuffix(strings.TrimSuffix(u.Host, ".cn"), ".amazonaws.com") || u.Scheme != "https" || u.Path != "/" {
			t.Errorf("%q leads to %s", text, u.Host)
		}
		if query.Del(optional); len(query) != 8 || query.Get("Action") != "GetCallerIdentity" {
			t.Errorf("%q asks for %s", text, u.RawQuery)
		}
		if left := r.until.Sub(noon); left <= 0 || left > maxExpiry+skew {
			t.Errorf("%q is good for %s", text, left)
		}
		again, err := readPresigned(password(r.url), nil, noon)
		if err != nil || again != r {
			t.Errorf("what is sent of %q reads as %v, %v", text, again, err)
		}
	})
}

// What is remembered has a bound, and ends.
func TestMemory(t *testing.T) {
	var m memory
	until := noon.Add(time.Hour)
	key := func(i int) presigned { return presigned{strings.Repeat("x", i), until} }
	for i := range 3 * maxMemory {
		m.keep(key(i), "a", caller{}, noon)
		if _, ok := m.recall(key(i), []string{"b", "a"}, noon); !ok {
			t.Fatalf("request %d was forgotten at once", i)
		}
		if len(m.entries) > maxMemory {
			t.Fatalf("got %d entries, want at most %d", len(m.entries), maxMemory)
		}
	}
	last := key(3*maxMemory - 1)
	if _, ok := m.recall(last, []string{"b"}, noon); ok {
		t.Error("recalled for an audience that it was not signed for")
	}
	if _, ok := m.recall(last, []string{"a"}, noon.Add(remembered)); ok {
		t.Error("recalled after its time")
	}
}
