package requestlog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
)

// push is what a push is told as behind a gate.
func push() distribution.Exchange {
	return distribution.Exchange{
		Method: "PUT", Route: "manifest", Repo: "team/app", Ref: "sha256:0", Tags: []string{"1", "1.2"}, Hint: "1",
		Status: 201, RequestID: "6HV3ZQ", Principal: "robot:ci", Action: "push", Rule: "builders push", Address: "203.0.113.24",
	}
}

// audit returns the audit lines of an exchange.
func audit(t *testing.T, x distribution.Exchange) string {
	t.Helper()
	var out bytes.Buffer
	text(&out, slog.LevelInfo).Write(t.Context(), x)
	request, rest, _ := strings.Cut(out.String(), "\n")
	if !strings.Contains(request, "msg=request ") {
		t.Errorf("the first line is %s", request)
	}
	return rest
}

func TestAuditOfAChange(t *testing.T) {
	want := "level=INFO msg=audit principal=robot:ci action=push method=PUT route=manifest repository=team/app reference=sha256:0 " +
		"tags=\"1 1.2\" hint=1 allowed=true status=201 rule=\"builders push\" address=203.0.113.24 request_id=6HV3ZQ\n"
	if got := audit(t, push()); got != want {
		t.Errorf("line:\n got %swant %s", got, want)
	}
}

// The beginning of a direct transfer is of many blobs, and may mount some of them.
func TestAuditOfMounts(t *testing.T) {
	x := push()
	x.Method, x.Route, x.Ref, x.Tags, x.Status, x.Mounted = "POST", "direct-uploads", "", nil, 200, 3
	want := "level=INFO msg=audit principal=robot:ci action=push method=POST route=direct-uploads repository=team/app reference=\"\" " +
		"hint=1 mounted=3 allowed=true status=200 rule=\"builders push\" address=203.0.113.24 request_id=6HV3ZQ\n"
	if got := audit(t, x); got != want {
		t.Errorf("line:\n got %swant %s", got, want)
	}
}

func TestAuditOfADenial(t *testing.T) {
	x := push()
	x.Principal, x.Rule, x.Status, x.Denied = "", "", 401, true
	want := "level=INFO msg=audit action=push method=PUT route=manifest repository=team/app reference=sha256:0 " +
		"tags=\"1 1.2\" hint=1 allowed=false status=401 address=203.0.113.24 request_id=6HV3ZQ\n"
	if got := audit(t, x); got != want {
		t.Errorf("line:\n got %swant %s", got, want)
	}
}

func TestWhatIsAudited(t *testing.T) {
	for _, c := range []struct {
		name, method, who string
		status            int
		denied, want      bool
	}{
		{"pull", "GET", "user:alice", 200, false, false},
		{"denied pull", "GET", "user:alice", 403, true, true},
		{"pull of a stranger", "GET", "anonymous", 401, true, true},
		{"the first ping", "GET", "anonymous", 401, false, false},
		{"blocked login", "GET", "", 429, true, true},
		{"push to a store that was busy in the end", "PUT", "user:alice", 429, false, true},
		{"deletion from a store that was busy in the end", "DELETE", "user:alice", 429, false, true},
		{"pull from a busy store", "GET", "user:alice", 429, false, false},
		{"nothing there", "DELETE", "user:alice", 404, false, false},
		{"wrong manifest", "PUT", "user:alice", 400, false, false},
		{"upload begun", "POST", "user:alice", 202, false, false},
		{"part of an upload", "PATCH", "user:alice", 202, false, false},
		{"upload given up", "DELETE", "user:alice", 204, false, false},
		{"blob", "PUT", "user:alice", 201, false, true},
		{"blob mounted, or in one piece", "POST", "user:alice", 201, false, true},
		{"direct upload begun", "POST", "user:alice", 200, false, false},
		{"direct upload complete", "PUT", "user:alice", 202, false, true},
		{"direct upload given up", "DELETE", "user:alice", 204, false, false},
		{"deletion", "DELETE", "user:alice", 202, false, true},
		{"deletion with an unknown outcome", "DELETE", "user:alice", 500, false, true},
		{"push with an unknown outcome", "PUT", "user:alice", 500, false, true},
		{"push that was not waited for", "PUT", "user:alice", 499, false, true},
		{"push to an open registry", "PUT", "", 201, false, false},
	} {
		x := push()
		x.Method, x.Principal, x.Status, x.Denied = c.method, c.who, c.status, c.denied
		if got := audit(t, x); (got != "") != c.want {
			t.Errorf("%s: audit line %q, want one: %t", c.name, got, c.want)
		}
	}
}
