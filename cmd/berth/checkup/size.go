package checkup

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/berthregistry/berth/shared/probe"
)

const (
	// lambdaRequest is what an event of a function holds beside the rest.
	lambdaRequest = 4_500_000
	// gatewayRequest is the most that the gateway itself takes.
	gatewayRequest = 10 << 20
	// smallestLimit is the least that can be set as RequestLimit.
	smallestLimit = 1 << 20
	// step is how exactly limits are found.
	step = 64 << 10
)

// noContent begins an upload, asks how it stands, and gives it up. On the way
// it learns the chunk limit.
func (v *visit) noContent(ctx context.Context) Finding {
	location, err := v.begin(ctx)
	if err != nil {
		return broken(err.Error(), mayPush, v.Repository)
	}
	status, err := v.ask(ctx, http.MethodGet, location, nil)
	if err != nil {
		return failed(err)
	}
	gone, err := v.write(ctx, http.MethodDelete, location, nil)
	if err != nil {
		return failed(err)
	}
	for _, a := range []answer{status, gone} {
		if a.status != http.StatusNoContent || len(a.body) > 0 {
			return broken("it is "+a.String(), "nothing can be set: tell your clients to push a layer from its start where an upload broke off")
		}
	}
	return ok("204 for the state of an upload, and for its end")
}

// requestSize finds out whether as much passes as the registry says.
func (v *visit) requestSize(ctx context.Context) Finding {
	want := int(cmp.Or(v.announced, lambdaRequest))
	passes, answer := v.passes(ctx, want)
	if passes {
		return v.enough(want)
	}
	most := largest(want, step, func(n int) bool {
		passes, _ := v.passes(ctx, n)
		return passes
	})
	v.chunk = int64(most)
	seen := fmt.Sprintf("%d bytes pass, not %d: %s", most, want, answer)
	switch {
	case most == 0:
		return broken(seen, "see the lines above: nothing arrives as it was sent")
	case !v.gateway:
		return differs(seen, "let larger bodies through what is in front of the registry; until then tell your clients to upload layers above that with regctl --blob-chunk")
	case most < smallestLimit:
		return broken(seen, "nothing can be set: RequestLimit is 1048576 at the least; upload layers with regctl --blob-chunk %d", most)
	}
	return differs(seen, "RequestLimit=%d; tell your clients to upload layers above that with regctl, which sends them in chunks", most)
}

// enough is for a size that passes.
func (v *visit) enough(size int) Finding {
	v.chunk = int64(size)
	switch {
	case v.announced > 0 || !v.begun:
		return ok("%d bytes pass", size)
	case v.gateway:
		return differs(fmt.Sprintf("nothing is announced; %d bytes pass", size),
			"RequestLimit=%d: clients can only keep to a limit that they are told", size)
	}
	return ok("no limit is announced, and %d bytes pass", size)
}

// passes says whether a body of n bytes reaches the probe whole, and what was
// answered.
func (v *visit) passes(ctx context.Context, n int) (bool, string) {
	body := random(n)
	e, a, err := v.echoOrCut(ctx, body)
	if err != nil {
		return false, err.Error()
	}
	return e != nil && isOf(e, body), a.String()
}

// echoOrCut has a body echoed. Who refuses a large body may close the
// connection while it is still being sent, and then the answer is lost now and
// then.
func (v *visit) echoOrCut(ctx context.Context, body []byte) (e *probe.Echo, a answer, err error) {
	for range 3 {
		e, a, err = v.echo(ctx, http.MethodPost, "", body, "Content-Type", octetStream)
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return e, a, err
}

// requestOver sends what Lambda has no room for, and what the gateway has not.
func (v *visit) requestOver(ctx context.Context) Finding {
	for _, size := range []int{5 << 20, gatewayRequest + 1} {
		e, a, err := v.echoOrCut(ctx, random(size))
		switch {
		case err != nil:
			return harmless("the connection is closed", "clients give up one way or the other; regctl goes on in chunks")
		case e != nil && v.gateway:
			return harmless(strconv.Itoa(size)+" bytes pass", "what is announced is what clients keep to")
		case e != nil:
			continue
		case a.status != http.StatusRequestEntityTooLarge:
			return harmless(a.String(), "clients give up one way or the other; regctl goes on in chunks")
		case size > gatewayRequest:
			return ok("%s", a)
		}
	}
	return ok("10 MiB pass: there is no gateway")
}
