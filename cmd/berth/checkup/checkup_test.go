package checkup_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/cmd/berth/checkup"
	"github.com/berthregistry/berth/infra/localcloud/httpapi"
	"github.com/berthregistry/berth/shared/probe"
	"github.com/berthregistry/berth/shared/table"
)

// A line is what one assumption must come out as: the verdict, and parts of what
// was seen and of what to do.
type line struct {
	verdict      checkup.Verdict
	seen, advice string
}

// holds compares a report with the lines that are not simply ok.
func holds(t *testing.T, r checkup.Report, want map[string]line) {
	t.Helper()
	for name := range want {
		if !slices.ContainsFunc(r.Findings, func(f checkup.Finding) bool { return f.Name == name }) {
			t.Errorf("there is no finding called %s", name)
		}
	}
	for _, f := range r.Findings {
		w, listed := want[f.Name]
		if !listed {
			w = line{verdict: checkup.OK}
			if f.Name == "throttling" {
				w.verdict = checkup.Skipped
			}
		}
		if f.Verdict != w.verdict || !strings.Contains(f.Seen, w.seen) || !strings.Contains(f.Advice, w.advice) {
			t.Errorf("%s:\n got %s, %q, %q\nwant %s, %q, %q", f.Name, f.Verdict, f.Seen, f.Advice, w.verdict, w.seen, w.advice)
		}
		if f.NeedsCare() != (f.Advice != "" && !strings.HasPrefix(f.Advice, "nothing to set")) {
			t.Errorf("%s asks for care %v and says %q", f.Name, f.NeedsCare(), f.Advice)
		}
	}
}

func TestFrontDoorAsAssumed(t *testing.T) {
	d := deploy(t, asDeployed())
	r := examine(t, d.url)
	holds(t, r, map[string]line{
		"request-size": {checkup.OK, "4500000 bytes pass", ""},
		"request-over": {checkup.OK, `413 {"message":"Request Entity Too Large"}`, ""},
		"blob-large":   {checkup.OK, "no Docker-Content-Digest there, as expected", ""},
		"head-length":  {checkup.OK, "it is, of a body", ""},
		"referrers":    {checkup.OK, "absent, then present", ""},
		"direct":       {checkup.OK, "in one PUT and in 2 parts", ""},
	})
	if !r.Gateway || r.NeedCare() != 0 {
		t.Errorf("gateway %v, %d to be cared for; want true and 0", r.Gateway, r.NeedCare())
	}
	d.isEmpty(t)
}

// known sends credentials, as a client does that has logged in.
type known struct{ checkup.Doer }

func (k known) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Basic YW5uOnNlY3JldA==")
	return k.Doer.Do(r)
}

// The bucket refuses who shows any, as S3 does, and the probe is for everybody.
// Once the registry itself is asked without, to see what it says then.
func TestCredentialsAreForTheRegistryAlone(t *testing.T) {
	s := asDeployed()
	s.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			probed := strings.HasPrefix(r.URL.Path, probe.Base)
			if shown := r.Header.Get("Authorization") != ""; shown == probed && r.URL.Path != "/v2/" {
				t.Errorf("%s %s: credentials shown: %v", r.Method, r.URL.Path, shown)
			}
			next.ServeHTTP(w, r)
		})
	}
	d := deploy(t, s)
	c := config(t, d.url)
	c.Client = known{c.Client}
	r, err := checkup.Examine(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, r, nil)
}

// Each assumption that httpapi can flip, and what must come of it. What is not
// listed must be ok.
var deviations = map[string]map[string]line{
	"remap-authenticate": {
		"challenge": {checkup.Broken, "X-Amzn-Remapped-Www-Authenticate", "clients log in only when WWW-Authenticate asks"},
	},
	"keep-content-length": {
		"head-length": {checkup.Differs, "it is what the registry says", "HeadLength=kept"},
	},
	"empty-head": {
		"manifest-head": {checkup.Broken, "0 of ", "containerd cannot pull"},
		"blob-head":     {checkup.Broken, "0 of ", "containerd cannot pull"},
		"head-length":   {checkup.Broken, "0 announced, 0 with a body, of 1021", "nothing can be set"},
	},
	"decode-path": {
		"escape": {checkup.Differs, "/a%2Fb%3Ac arrives as /a/b:c", "nothing to set: no name, tag or digest"},
	},
	"plus-is-space": {
		"plus": {checkup.Differs, "arrives as /a%20b?c=d%20e%2Bf", "nothing to set: it means the same"},
	},
	"text-bodies": {
		"body-oci": {checkup.Differs, "arrives changed: 512 bytes of 256 bytes", "nothing to set: a manifest is UTF-8"},
	},
	"raw-responses": {
		"blob-small":  {checkup.Broken, "it comes back in base64", "InlineLimit=16384"},
		"blob-inline": {checkup.Broken, "it comes back in base64", "InlineLimit=16384"},
		"blob-range":  {checkup.Broken, "it comes back in base64", "InlineLimit=16384"},
		"blob-head":   {checkup.Broken, "it comes back in base64", "InlineLimit=16384"},
	},
	"break-304": {
		"not-modified": {checkup.Broken, `502 {"message":"Bad Gateway"}`, "must not revalidate"},
	},
	"break-204": {
		"no-content": {checkup.Broken, "it is 200 {}", "push a layer from its start"},
	},
	"stage-prefix=/prod": stageInFront,
	"max-request=2500000": {
		"request-size": {checkup.Differs, "2490368 bytes pass, not 4500000: 413", "RequestLimit=2490368; tell your clients to upload layers above that with regctl"},
	},
	"max-request=900000": {
		"request-size": {checkup.Broken, "851968 bytes pass", "RequestLimit is 1048576 at the least"},
	},
	"max-response=3000000": {
		"blob-inline": {checkup.Broken, "2228224 bytes fit, not 4 MiB: 500", "InlineLimit=2228224"},
	},
	"max-headers=8192": {
		"request-header": {checkup.Differs, `431 {"message":"Request Header Fields Too Large"}`, "a token may have 7"},
	},
	// Nobody can provoke it without taking the account's concurrency.
	"throttled-status=500": {},
	"clock-skew=10m": {
		"clock": {checkup.Differs, "the gateway is 10m", "nothing to set: the clock that signs"},
	},
	"clock-skew=4m": {},
}

func TestFrontDoorThatDeviates(t *testing.T) {
	for deviation, want := range deviations {
		t.Run(deviation, func(t *testing.T) {
			t.Parallel()
			s := asDeployed()
			name, value, _ := strings.Cut(deviation, "=")
			if err := s.front.Set(name, value); err != nil {
				t.Fatal(err)
			}
			d := deploy(t, s)
			holds(t, examine(t, d.url), want)
			d.isEmpty(t)
		})
	}
}

// stageInFront is everything that cannot be seen where the registry is not
// found.
var stageInFront = func() map[string]line {
	out := map[string]line{
		"ping":  {checkup.Broken, "404", "see that the URL is that of a registry"},
		"stage": {checkup.Broken, "arrives as /prod/v2/_berth/echo", "serve it from the stage $default"},
		"login": {checkup.Broken, "404", "see that the URL is that of a registry"},
	}
	for name, why := range map[string]string{
		"no-content": "/v2/ is not answered", "push": "/v2/ is not answered", "delete": "nothing was pushed",
		"manifest": "not be pushed", "manifest-head": "not be pushed", "not-modified": "not be pushed", "referrers": "not be pushed",
		"blob-small": "not be pushed", "blob-inline": "not be pushed", "blob-large": "not be pushed",
		"blob-range": "not be pushed", "blob-head": "not be pushed", "direct": "not be pushed",
	} {
		out[name] = line{checkup.Skipped, why, ""}
	}
	return out
}()

func TestEveryDeviationIsInTheTable(t *testing.T) {
	var listed []string
	for deviation := range deviations {
		name, _, _ := strings.Cut(deviation, "=")
		listed = append(listed, name)
	}
	for _, name := range httpapi.DeviationNames() {
		if !slices.Contains(listed, name) {
			t.Errorf("%s is not in the table: what does it change?", name)
		}
	}
}

// isEmpty looks for what is left: by listing, in the table and in the bucket.
// A repository keeps its name, and an upload its id until it expires.
func (d *deployment) isEmpty(t *testing.T) {
	t.Helper()
	for _, prefix := range []string{"manifest#", "tag#", "referrer#", "blob#", "parent#"} {
		page, err := d.items.Query(t.Context(), table.Query{Partition: "repo#" + repository, Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			t.Errorf("%s is left in the table", item.Sort)
		}
	}
	for _, key := range d.left() {
		t.Errorf("%s is left in the bucket", key)
	}
}
