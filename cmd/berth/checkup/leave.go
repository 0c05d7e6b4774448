package checkup

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
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
	case strings.Contains(path, "/blobs/uploads/"):
		return 1
	}
	return 2
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
	if strings.Contains(path, "/blobs/uploads/") {
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
		if a, err = v.ask(ctx, method, path, nil); err == nil && a.status == http.StatusNotFound {
			return ""
		}
	}
	return failure
}
