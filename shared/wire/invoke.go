package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go/encoding/httpbinding"
)

// An invoker sends events to one function, and does not wait for what it makes
// of them.
type invoker struct {
	*caller
	url string // of the function's invocations
}

func newInvoker(c Config) *invoker {
	lambda := serviceURL(c.Lambda, "lambda", c.Region)
	return &invoker{newCaller(c, "lambda"), lambda + "/2015-03-31/functions/" + httpbinding.EscapePath(c.Verifier, true) + "/invocations"}
}

// verify has the function verify an upload. It returns when that is on its way.
func (i *invoker) verify(ctx context.Context, repo, id string) error {
	payload, err := json.Marshal(Verification{repo, id})
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := i.invoke(ctx, payload); err != nil {
		return fmt.Errorf("invoke verifier: %w", err)
	}
	return nil
}

// invoke sends an event, again if need be: one whose answer was lost comes twice.
func (i *invoker) invoke(ctx context.Context, payload []byte) error {
	for attempt := 1; ; attempt++ {
		header := http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"Event"}}
		_, err := i.post(ctx, i.url, header, payload, http.StatusAccepted)
		if err == nil || !i.again(ctx, attempt, err) {
			return err
		}
	}
}
