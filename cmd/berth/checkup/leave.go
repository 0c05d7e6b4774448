package checkup

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/direct"
)

// leave removes whatever may have been pushed, and makes sure that it is gone.
func (v *visit) leave(ctx context.Context) Finding {
	const name, assumption = "delete", "delete works and leaves nothing"
	f := v.remove(ctx)
	f.Name, f.Assumption = name, assumption
	return f
}

func (v *visit) remove(ctx context.Context) Finding {
	if len(v.artifact.traces) == 0 {
		return skipped("nothing was pushed")
	}
	// Manifests before their blobs, what is about them before them.
	slices.Reverse(v.artifact.traces)
	slices.SortStableFunc(v.artifact.traces, func(a, b string) int { return order(a) - order(b) })
	var left []string
	var why string
	for _, path := range v.artifact.traces {
		if answer := v.delete(ctx, path); answer != "" {
			left, why = append(left, strings.TrimPrefix(path, "/v2/"+v.Repository+"/")), answer
		}
	}
	if len(left) > 0 {
		return broken(why, "delete by hand, from %s: %s", v.Repository, strings.Join(left, ", "))
	}
	return ok("all that was pushed is gone; the repository keeps its name")
}

// order is when a path is to be deleted: a blob that a manifest lists may not go
// before it.
func order(path string) int {
	switch {
	case strings.Contains(path, "/manifests/"):
		return 0
	case isUpload(path):
		return 1
	}
	return 2
}

func isUpload(path string) bool { return strings.Contains(path, "/blobs/uploads/") || isDirect(path) }

func isDirect(path string) bool { return strings.Contains(path, "/"+direct.Uploads+"/") }

// isGone says of the answer to who asks for what was deleted whether it is. A
// direct upload that has come to its end is remembered, and has no bytes.
func isGone(path string, a answer) bool {
	var s direct.Status
	if isDirect(path) && a.status == http.StatusOK && json.Unmarshal(a.body, &s) == nil {
		return s.State == direct.Done || s.State == direct.Failed
	}
	return a.status == http.StatusNotFound
}

const (
	attempts = 3
	pause    = time.Second
)

// delete deletes what is at a path and returns why that failed. It asks
// afterwards, since a deletion may be answered and not done, or done and not
// answered.
func (v *visit) delete(ctx context.Context, path string) (failure string) {
	method := http.MethodHead
	if isUpload(path) {
		method = http.MethodGet // the spec has no HEAD of an upload
	}
	for n := range attempts {
		if n > 0 {
			time.Sleep(pause)
		}
		a, err := v.ask(ctx, http.MethodDelete, path, nil)
		failure = a.String()
		if err != nil {
			failure = err.Error()
		}
		if a, err = v.ask(ctx, method, path, nil); err == nil && isGone(path, a) {
			return ""
		}
	}
	return failure
}
