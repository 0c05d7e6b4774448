package requestlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/requestlog"
)

func pull() distribution.Exchange {
	return distribution.Exchange{
		Method: "GET", Route: "manifest", Repo: "team/app", Ref: "1",
		Status: 200, Bytes: 1234, Duration: 250 * time.Microsecond, RequestID: "6HV3ZQ",
	}
}

// text returns a log of plain lines without their times.
func text(out *bytes.Buffer, level slog.Level) *requestlog.Log {
	return requestlog.New(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
}

func TestLine(t *testing.T) {
	var out bytes.Buffer
	text(&out, slog.LevelInfo).Write(t.Context(), pull(), slog.Bool("cold", true))
	want := "level=INFO msg=request method=GET route=manifest repository=team/app reference=1 " +
		"status=200 bytes=1234 duration=250µs request_id=6HV3ZQ cold=true\n"
	if out.String() != want {
		t.Errorf("line:\n got %swant %s", out.String(), want)
	}
}

// What is known of who asks comes after what there always is.
func TestLineOfSomebody(t *testing.T) {
	var out bytes.Buffer
	x := pull()
	x.Tag, x.Hint, x.Pull, x.Redirected, x.Mounted = "1", "1@sha256:0", true, 5678, 2
	x.Principal, x.Action, x.Rule, x.Address = "user:alice", "pull", "all of us", "203.0.113.24"
	text(&out, slog.LevelInfo).Write(t.Context(), x, slog.Bool("cold", true))
	want := "level=INFO msg=request method=GET route=manifest repository=team/app reference=1 " +
		"status=200 bytes=1234 duration=250µs request_id=6HV3ZQ tag=1 hint=1@sha256:0 pull=true redirected=5678 mounted=2 " +
		"principal=user:alice action=pull rule=\"all of us\" address=203.0.113.24 cold=true\n"
	if out.String() != want {
		t.Errorf("line:\n got %swant %s", out.String(), want)
	}
}

func TestLineSaysTheCodeOfAnError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{oci.ErrManifestUnknown.With(nil, "no such tag"), "error=MANIFEST_UNKNOWN"},
		{fmt.Errorf("push: %w", oci.Errors{oci.ErrManifestBlobUnknown.With(nil, "gone")}), "error=MANIFEST_BLOB_UNKNOWN"},
		{fmt.Errorf("read: %w", context.Canceled), `error="client gone"`},
		{errors.New("dial 10.0.0.1: password hunter2"), "error=internal"},
	} {
		var out bytes.Buffer
		x := pull()
		x.Err = c.err
		text(&out, slog.LevelInfo).Write(t.Context(), x)
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "hunter2") {
			t.Errorf("error %v: got line %q, want %s in it", c.err, out.String(), c.want)
		}
	}
}

func TestLevels(t *testing.T) {
	var out bytes.Buffer
	log := text(&out, slog.LevelWarn)
	log.Write(t.Context(), pull())
	if out.Len() > 0 {
		t.Errorf("a request was logged at level warn: %s", out.String())
	}
	log.Write(t.Context(), push())
	if got := out.String(); !strings.Contains(got, "msg=audit") || strings.Contains(got, "msg=request") {
		t.Errorf("a change was logged at level warn as %q, want its audit line alone", got)
	}
	x := pull()
	x.Status = 500
	log.Write(t.Context(), x)
	if !strings.Contains(out.String(), "level=ERROR") {
		t.Errorf("a failed request was logged as %q", out.String())
	}
}
