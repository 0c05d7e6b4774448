package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An invoker sends events to one function, and does not wait for what it makes
// of them. It is one signed request: the SDK's client of Lambda would cost each
// function more at its start than all that is below.
type invoker struct {
	url         string // of the function's invocations
	region      string
	credentials aws.Credentials
	client      aws.HTTPClient
	retryer     aws.Retryer
	signer      *v4.Signer
}

func newInvoker(c Config) *invoker {
	return &invoker{
		url:    lambdaURL(c) + "/2015-03-31/functions/" + httpbinding.EscapePath(c.Verifier, true) + "/invocations",
		region: c.Region, credentials: c.Credentials,
		client: newTransport(queueAnswer), retryer: newRetryer(), signer: v4.NewSigner(),
	}
}

// lambdaURL is where Lambda is. In partitions that are neither AWS's own nor
// China's it must be set.
func lambdaURL(c Config) string {
	suffix := "amazonaws.com"
	if strings.HasPrefix(c.Region, "cn-") {
		suffix += ".cn"
	}
	return strings.TrimRight(cmp.Or(c.Lambda, "https://lambda."+c.Region+"."+suffix), "/")
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
		err := i.send(ctx, payload)
		if err == nil || ctx.Err() != nil || attempt >= i.retryer.MaxAttempts() || !i.retryer.IsErrorRetryable(err) {
			return err
		}
		delay, _ := i.retryer.RetryDelay(attempt, err) // ours knows one for each
		select {
		case <-ctx.Done():
			return err
		case <-time.After(delay):
		}
	}
}

func (i *invoker) send(ctx context.Context, payload []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Amz-Invocation-Type", "Event")
	sum := sha256.Sum256(payload)
	if err := i.signer.SignHTTP(ctx, i.credentials, req, hex.EncodeToString(sum[:]), "lambda", i.region, time.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return &smithyhttp.RequestSendError{Err: err}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // to its end, so that the connection can be used again
	if resp.StatusCode != http.StatusAccepted {
		return refusal(resp, body)
	}
	return nil
}

// maxRefusal is how much of an answer is read, in bytes.
const maxRefusal = 16 << 10

// refusal is an answer that is not the one hoped for, as an error of the SDK.
func refusal(resp *http.Response, body []byte) error {
	var said struct{ Message string }
	_ = json.Unmarshal(body, &said) // without a message the code says enough
	code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: resp},
		Err:      &smithy.GenericAPIError{Code: cmp.Or(code, "Unknown"), Message: said.Message},
	}
}
